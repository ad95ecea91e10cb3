import { createWriteStream, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { SqlArguments } from "./arguments.ts";
import { folderSource } from "./folder-source.ts";
import { answers, DEFAULT_URL, serverSource } from "./server-source.ts";
import type { SqlSource } from "./source.ts";
import { Table, type TableColumn } from "./table.ts";

export type SqlTerminal = {
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
};

const MAX_STATEMENT_CHARS = 256 * 1024;

/** Runs one statement and prints its result. Rejects with an `Error` to show. */
export async function runSql(
  args: SqlArguments,
  terminal: SqlTerminal,
  signal: AbortSignal,
): Promise<void> {
  const { stdout } = terminal;
  const toTerminal = args.output === undefined && stdout.isTTY === true;
  if (args.format === "parquet" && toTerminal) {
    throw new Error("Parquet is not for a terminal: give -o FILE or redirect the output");
  }
  const sql = await statementOf(args, terminal.stdin);
  const source = await sourceOf(args);
  const { limit, timeoutMs, tenant } = args;
  const format = args.format === "table" ? "rows" : args.format;
  const body = await source.run({ sql, format, limit, timeoutMs, tenant, signal });
  if (args.output === undefined) {
    await print(args, body, stdout, stdout.columns ?? Number.POSITIVE_INFINITY);
    return;
  }
  const file = createWriteStream(args.output);
  try {
    await print(args, body, file, Number.POSITIVE_INFINITY);
    await new Promise<void>((resolve, reject) => {
      file.once("error", reject);
      file.end(resolve);
    });
  } catch (error) {
    // Half a result looks like a whole one.
    file.destroy();
    await rm(args.output, { force: true });
    throw error;
  }
}

async function statementOf(
  { statement, file }: SqlArguments,
  stdin: SqlTerminal["stdin"],
): Promise<string> {
  if (statement !== undefined) return statement;
  if (file !== undefined) return readFileSync(file, "utf8");
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stdin) {
    text += typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
    if (text.length > MAX_STATEMENT_CHARS) {
      throw new Error(`the statement has more than ${MAX_STATEMENT_CHARS} characters`);
    }
  }
  return text + decoder.decode();
}

/** What was named, else a server that answers at the usual place, else the usual folder. */
async function sourceOf({ url, dataDir, configFile }: SqlArguments): Promise<SqlSource> {
  if (url !== undefined) return serverSource(url);
  if (dataDir !== undefined || configFile !== undefined) {
    return folderSource({ dataDir, configFile });
  }
  if (await answers(DEFAULT_URL)) return serverSource(DEFAULT_URL);
  return folderSource({ dataDir, configFile });
}

async function print(
  { format }: SqlArguments,
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  target: Writable,
  width: number,
): Promise<void> {
  if (format === "table") await printTable(body, target, width);
  else await pipeline(Readable.fromWeb(body as never), target, { end: false });
}

type Line =
  | { readonly columns: readonly TableColumn[] }
  | { readonly rows: number; readonly truncated: boolean }
  | readonly (string | null)[];

async function printTable(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  target: Writable,
  width: number,
): Promise<void> {
  let table: Table | undefined;
  let text = "";
  let ended = false;
  const decoder = new TextDecoder();
  const take = (line: string): void => {
    const value = JSON.parse(line) as Line;
    if ("columns" in value) table = new Table(value.columns, width, (out) => target.write(out));
    else if ("rows" in value) {
      table?.finish(value.rows, value.truncated);
      ended = true;
    } else table?.add(value as readonly (string | null)[]);
  };
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    const lines = (text + decoder.decode(chunk, { stream: true })).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) take(line);
    if (target.writableNeedDrain) {
      await new Promise<void>((resolve) => target.once("drain", resolve));
    }
  }
  if (!ended) throw new Error("the result was cut off");
}
