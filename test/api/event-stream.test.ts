import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { eventStream, type ServerEvent, wantsEvents } from "../../src/api/http/event-stream.ts";
import type { ApiRequest } from "../../src/api/http/route-context.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

let kept = 0;
function apiRequest(url = "http://x/", headers: Record<string, string> = {}): ApiRequest {
  return {
    request: new Request(url, { headers }),
    params: new URL(url).searchParams,
    rawPath: "/",
    tenants: ["t"],
    keepOpen: () => {
      kept++;
    },
  };
}

type Events = AsyncGenerator<readonly ServerEvent[], void, void>;

test("events of one turn come in one chunk, after the headers and the retry time", async () => {
  kept = 0;
  const response = eventStream(apiRequest(), async function* (): Events {
    yield [
      { event: "a", data: "1" },
      { event: "b", data: "{}", id: "x" },
    ];
    yield [{ event: "c", data: "2" }];
  });
  const chunks: string[] = [];
  for await (const chunk of response.body!) chunks.push(new TextDecoder().decode(chunk));
  expect(chunks).toEqual([
    "retry: 3000\n\n",
    "event: a\ndata: 1\n\nid: x\nevent: b\ndata: {}\n\n",
    "event: c\ndata: 2\n\n",
  ]);
  expect(kept).toBe(1);
});

test("a quiet stream is kept open by comments, and loses no event by it", async () => {
  const quiet = Promise.withResolvers<void>();
  const response = eventStream(apiRequest(), async function* (): Events {
    await quiet.promise;
    yield [{ event: "a", data: "1" }];
  });
  const reader = response.body!.getReader();
  const next = async () => new TextDecoder().decode((await reader.read()).value);
  expect(await next()).toBe("retry: 3000\n\n");
  for (let i = 0; i < 2; i++) {
    const comment = next();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(await comment).toBe(":\n\n");
  }
  quiet.resolve();
  expect(await next()).toBe("event: a\ndata: 1\n\n");
  expect((await reader.read()).done).toBe(true);
});

test("a client that goes away aborts the signal, started or not", async () => {
  const signals: AbortSignal[] = [];
  const open = (signal: AbortSignal) => {
    signals.push(signal);
    return (async function* (): Events {
      await new Promise((_, reject) => signal.addEventListener("abort", reject));
      yield [];
    })();
  };
  await eventStream(apiRequest(), open).body!.cancel();
  expect(signals[0]?.aborted).toBe(true);
});

test("events are asked for by header or parameter", () => {
  expect(wantsEvents(apiRequest("http://x/", { accept: "text/event-stream" }))).toBe(true);
  expect(wantsEvents(apiRequest("http://x/?stream=true"))).toBe(true);
  expect(wantsEvents(apiRequest("http://x/?stream=1", { accept: "application/json" }))).toBe(false);
});
