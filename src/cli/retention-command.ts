import { parseArgs } from "node:util";
import type { Amount, RetentionReport } from "../storage/retention/report.ts";

const HELP = `pintail retention --dry-run [options]

Asks a running server what its retention would drop now, and when more is dropped. Drops nothing.

  --url URL     the server (http://localhost:3200)
  --tenant ID   tenant whose spans are meant, where there are several
  --json        the answer as it came`;
const TIMEOUT_MS = 60_000;

/** Prints by `print`; resolves to the exit code. */
export async function retentionCommand(
  args: readonly string[],
  print: (line: string) => void,
): Promise<number> {
  let options: ReturnType<typeof parse>;
  try {
    options = parse(args);
  } catch (error) {
    console.error(`pintail retention: ${messageOf(error)}\n\n${HELP}`);
    return 2;
  }
  if (options.help) {
    print(HELP);
    return 0;
  }
  if (!options["dry-run"]) {
    console.error(`pintail retention: only --dry-run; the server drops by itself\n\n${HELP}`);
    return 2;
  }
  try {
    const { url, tenant } = options;
    const response = await fetch(`${url.replace(/\/+$/, "")}/api/retention`, {
      headers: tenant === undefined ? {} : { "x-scope-orgid": tenant },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((cause: unknown) => {
      throw new Error(`no server answers at ${url}`, { cause });
    });
    const text = await response.text();
    if (!response.ok) throw new Error(text.trim() || `the server answered ${response.status}`);
    if (options.json) print(text);
    else for (const line of linesOf(JSON.parse(text).tenants)) print(line);
    return 0;
  } catch (error) {
    console.error(`pintail retention: ${messageOf(error)}`);
    return 1;
  }
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      "dry-run": { type: "boolean" },
      url: { type: "string", default: "http://localhost:3200" },
      tenant: { type: "string" },
      json: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  }).values;
}

function linesOf(reports: readonly RetentionReport[]): string[] {
  if (reports.length === 0) return ["nothing is stored"];
  return reports.flatMap((report) => [
    `tenant ${report.tenant}${report.frozen ? " (compaction is disabled: nothing is dropped)" : ""}`,
    ...report.held.map(
      (h) =>
        `  ${nameOf(h.class)}: ${amountText(h)}, kept ${keptText(h.retentionMs)}, next expiry ${
          h.nextExpiryUnixMs === null ? "never" : new Date(h.nextExpiryUnixMs).toISOString()
        }, within a day ${amountText(h.withinDay)}`,
    ),
    ...(report.due.length === 0 ? ["  nothing is due"] : []),
    ...report.due.map(
      (d) =>
        `  due for its ${d.reason}: ${nameOf(d.class)}: ${amountText(d)}${
          d.keeps.length === 0 ? "" : `, without traces of ${d.keeps.join(", ")}`
        }`,
    ),
  ]);
}

function nameOf(retentionClass: string): string {
  return retentionClass === "" ? "all traces" : `class ${retentionClass}`;
}

function amountText({ segments, spans, bytes }: Amount): string {
  return `${segments} segments, ${spans} spans, ${bytes} bytes`;
}

function keptText(retentionMs: number): string {
  return retentionMs === 0 ? "for ever" : `${retentionMs / 3_600_000} h`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
