import { parseArgs } from "node:util";

export const REDACT_HELP = `pintail redact '<TraceQL>' --dry-run|--apply [options]
pintail redact status [id] [options]

Removes whole traces that match a query from a running server: with --apply they are hidden at once
from all queries, and then removed from its files. --dry-run says which they would be.

  --dry-run          only look
  --apply            remove them; this cannot be undone
  --start, --end T   only traces of this range: Unix seconds, nanoseconds, or RFC 3339
  --reason TEXT      why, for the record
  --by NAME          who asks, for the record (the user's name)
  --tenant ID        whose traces, where there are several tenants
  --url URL          the server (http://localhost:3200)
  --data-dir DIR     take the admin token from this data folder
  -config.file FILE  take the admin token or the data folder from this settings file
  --json             the answer as it came

The admin token is that of the environment variable PINTAIL_ADMIN_TOKEN, else the one in the settings
file, else the one in the file admin-token in the data folder.`;

export type RedactArguments = {
  readonly action:
    | { readonly type: "help" }
    | { readonly type: "status"; readonly id: string | undefined }
    | {
        readonly type: "redact";
        readonly query: string;
        readonly dryRun: boolean;
        readonly start: string | undefined;
        readonly end: string | undefined;
        readonly reason: string;
        readonly requestedBy: string | undefined;
      };
  readonly tenant: string | undefined;
  readonly url: string;
  readonly dataDir: string | undefined;
  readonly configFile: string | undefined;
  readonly json: boolean;
};

/** Throws an `Error` that says what is wrong. */
export function parseRedactArguments(args: readonly string[]): RedactArguments {
  const { values, positionals } = parseArgs({
    // The server's own flag has one dash.
    args: args.map((arg) => arg.replace(/^-config\.file(?==|$)/, "--config.file")),
    allowPositionals: true,
    options: {
      "dry-run": { type: "boolean", default: false },
      apply: { type: "boolean", default: false },
      start: { type: "string" },
      end: { type: "string" },
      reason: { type: "string", default: "" },
      by: { type: "string" },
      tenant: { type: "string" },
      url: { type: "string", default: "http://localhost:3200" },
      "data-dir": { type: "string" },
      "config.file": { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const common = {
    tenant: values.tenant,
    url: values.url.replace(/\/+$/, ""),
    dataDir: values["data-dir"],
    configFile: values["config.file"],
    json: values.json,
  };
  if (values.help) return { ...common, action: { type: "help" } };
  const [query, ...more] = positionals;
  const both = values["dry-run"] === values.apply;
  if (query === "status" && !values["dry-run"] && !values.apply) {
    if (more.length > 1) throw new Error("give one id, or none for all");
    return { ...common, action: { type: "status", id: more[0] } };
  }
  if (query === undefined) throw new Error("no query was given");
  if (more.length > 0) throw new Error("put the query into quotes: more than one was given");
  if (both) throw new Error("say either --dry-run or --apply");
  return {
    ...common,
    action: {
      type: "redact",
      query,
      dryRun: values["dry-run"],
      start: values.start,
      end: values.end,
      reason: values.reason,
      requestedBy: values.by,
    },
  };
}
