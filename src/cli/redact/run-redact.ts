import type { RedactionPreview, RedactionStatus } from "../../storage/redaction/redactions.ts";
import type { RedactArguments } from "./arguments.ts";

/** Looking for the traces takes as long as their search. */
const TIMEOUT_MS = 30 * 60_000;

type RedactAnswer = RedactionPreview & { readonly redaction: RedactionStatus | null };

/** Asks the server and prints its answer; rejects with its words when it refuses. */
export async function runRedact(
  args: RedactArguments,
  token: string,
  userName: string,
  print: (line: string) => void,
): Promise<void> {
  const { action, json } = args;
  if (action.type === "help") return;
  if (action.type === "status") {
    const id = action.id === undefined ? "" : `/${encodeURIComponent(action.id)}`;
    const text = await ask(args, token, `/api/redactions${id}`, undefined);
    if (json) return print(text);
    const answer = JSON.parse(text) as RedactionStatus | { redactions: RedactionStatus[] };
    const all = "redactions" in answer ? answer.redactions : [answer];
    if (all.length === 0) print("nothing was redacted");
    all.forEach((one, i) => {
      if (i > 0) print("");
      for (const line of statusLines(one)) print(line);
    });
    return;
  }
  const { type: _, ...request } = action;
  const body = { ...request, requestedBy: action.requestedBy ?? userName };
  const text = await ask(args, token, "/api/redactions", body);
  if (json) return print(text);
  for (const line of answerLines(action.dryRun, JSON.parse(text) as RedactAnswer)) print(line);
}

async function ask(
  { url, tenant }: RedactArguments,
  token: string,
  path: string,
  body: object | undefined,
): Promise<string> {
  const headers: Record<string, string> = { authorization: `Bearer ${token}` };
  if (tenant !== undefined) headers["x-scope-orgid"] = tenant;
  const response = await fetch(url + path, {
    headers,
    // Where it is sent on to must not get the token.
    redirect: "error",
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
  }).catch((cause: unknown) => {
    throw new Error(`no answer from ${url}`, { cause });
  });
  const text = await response.text();
  if (!response.ok) throw new Error(text.trim() || `the server answered ${response.status}`);
  return text;
}

function answerLines(dryRun: boolean, answer: RedactAnswer): string[] {
  const { traceCount, spanCount, segmentCount, segmentBytes, examples, redaction } = answer;
  if (traceCount === 0) return ["no trace matches"];
  const found = rows([
    [dryRun ? "traces that match" : "traces hidden", String(traceCount)],
    ["their spans", String(spanCount)],
    ["in segments", `${segmentCount} of ${segmentBytes} bytes`],
    ...examples.map((id, i): [string, string] => [i === 0 ? "newest" : "", id]),
  ]);
  if (redaction === null) return [...found, "nothing was changed: --apply removes them"];
  return [
    ...rows([["redaction", redaction.id]]),
    ...found,
    `they are being removed from the files: pintail redact status ${redaction.id}`,
  ];
}

function statusLines(status: RedactionStatus): string[] {
  const { id, state, createdUnixMs, doneUnixMs, filesDeletedByUnixMs } = status;
  return rows([
    ["redaction", id],
    ["state", state === "done" ? "done" : "hidden, being removed"],
    ["query", status.query],
    ["by", status.requestedBy || "not said"],
    ["reason", status.reason || "not said"],
    ["applied", timeText(createdUnixMs)],
    ["traces", String(status.traceCount)],
    ["their spans then", String(status.spanCount)],
    ["spans removed", String(status.removedSpans)],
    ...(state === "done"
      ? []
      : ([
          ["segments to go", String(status.segmentsLeft)],
          ["replaced files", String(status.filesLeft)],
        ] satisfies [string, string][])),
    ...(status.quarantinedPieces > 0
      ? ([["not searched", quarantineText(status.quarantinedPieces)]] satisfies [string, string][])
      : []),
    ...(filesDeletedByUnixMs === undefined
      ? []
      : ([["deleted by", timeText(filesDeletedByUnixMs)]] satisfies [string, string][])),
    ...(doneUnixMs === undefined
      ? []
      : ([["done", timeText(doneUnixMs)]] satisfies [string, string][])),
  ]);
}

function quarantineText(pieces: number): string {
  return `${pieces} unreadable pieces of the write-ahead log, in its quarantine folder`;
}

/** What comes from a person is shown on one line, without what a terminal would obey. */
function rows(pairs: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${value.replace(/\p{Cc}/gu, " ")}`);
}

function timeText(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
