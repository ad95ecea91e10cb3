import { setTimeout as sleep } from "node:timers/promises";
import type { OtlpFileFormat } from "../../api/wire/otlp-file.ts";
import { printable } from "../sql/display.ts";
import type { ExportArguments } from "./arguments.ts";

/** While as many exports run as the server allows. */
const MAX_ATTEMPTS = 10;
const MAX_WAIT_MS = 60_000;
const MAX_REASON_CHARS = 1000;

/** The body of the server's answer, in pieces; ends with an error when it is cut off. */
export async function openExport(
  { query, url, tenant, range, limit }: ExportArguments,
  format: OtlpFileFormat,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array<ArrayBuffer>>> {
  const params = new URLSearchParams({ q: query, format });
  if (range !== undefined) {
    params.set("start", String(range.start));
    params.set("end", String(range.end));
  }
  if (limit > 0) params.set("limit", String(limit));
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(`${url}/api/export?${params}`, {
      headers: tenant === undefined ? {} : { "x-scope-orgid": tenant },
      signal,
    }).catch((cause: unknown) => {
      if (signal.aborted) throw cause;
      throw new Error(`no server answers at ${url}`, { cause });
    });
    if (answer.ok) return pieces(answer, signal);
    const reason = printable((await answer.text()).trim().slice(0, MAX_REASON_CHARS));
    const isBusy = answer.status === 429 || answer.status === 503;
    if (!isBusy || attempt === MAX_ATTEMPTS) {
      throw new Error(reason === "" ? `the server answers ${answer.status}` : reason);
    }
    const seconds = Number(answer.headers.get("retry-after") ?? "1");
    const waitMs = Number.isFinite(seconds) ? seconds * 1000 : 1000;
    await sleep(Math.min(MAX_WAIT_MS, Math.max(100, waitMs)), undefined, { signal });
  }
}

async function* pieces(
  answer: Response,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  try {
    for await (const piece of answer.body ?? []) yield piece;
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new Error("the server cut the export off: it is not whole", { cause });
  }
}
