import type { ApiRequest } from "./route-context.ts";

/** One server-sent event; `data` is JSON, which has no line breaks. */
export type ServerEvent = {
  readonly event: string;
  readonly data: string;
  /** What a browser names as `Last-Event-ID` when it connects again. */
  readonly id?: string;
};

/** A comment as often as this keeps proxies from closing a quiet stream. */
const HEARTBEAT_MS = 15_000;
/** A browser's `EventSource` connects again after this. */
const RETRY_MS = 3000;

/** Whether a plain HTTP client asks for its answer as server-sent events. */
export function wantsEvents({ request, params }: ApiRequest): boolean {
  const accept = request.headers.get("accept") ?? "";
  return accept.includes("text/event-stream") || params.get("stream") === "true";
}

/**
 * The events as `text/event-stream`. Never compressed, since a compressor holds back what it has.
 * Events are asked for when the client took those before; the signal given to `open` aborts when
 * the client goes away.
 */
export function eventStream(
  { keepOpen, request }: ApiRequest,
  open: (signal: AbortSignal) => AsyncGenerator<readonly ServerEvent[], void, void>,
): Response {
  keepOpen();
  const gone = new AbortController();
  const events = open(AbortSignal.any([gone.signal, request.signal]));
  const encoder = new TextEncoder();
  let next: Promise<IteratorResult<readonly ServerEvent[], void>> | undefined;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start(controller) {
        // The first bytes bring the headers to the client.
        controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n`));
      },
      async pull(controller) {
        next ??= events.next();
        const result = await orHeartbeat(next);
        if (result === undefined) {
          controller.enqueue(encoder.encode(":\n\n"));
          return;
        }
        next = undefined;
        if (result.done === true) controller.close();
        else controller.enqueue(encoder.encode(result.value.map(eventText).join("")));
      },
      async cancel() {
        gone.abort(new DOMException("the client went away", "AbortError"));
        await events.return();
      },
    },
    { highWaterMark: 1 },
  );
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform",
      // nginx collects an answer by default.
      "x-accel-buffering": "no",
    },
  });
}

function eventText({ event, data, id }: ServerEvent): string {
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  return `${idLine}event: ${event}\ndata: ${data}\n\n`;
}

/** `undefined` after a time without news. */
async function orHeartbeat<T>(news: Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, HEARTBEAT_MS, undefined);
  try {
    return await Promise.race([news, promise]);
  } finally {
    clearTimeout(timer);
  }
}
