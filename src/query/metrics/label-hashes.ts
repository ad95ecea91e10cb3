import type { FieldRef } from "../../traceql/ast.ts";
import { labelColumns } from "../../traceql/sql/metrics-columns.ts";
import { keysOf, listedTexts } from "../../traceql/sql/prune.ts";
import { quoteLiteral } from "../../traceql/sql/sql.ts";
import { KeysNamed } from "../keys-named.ts";
import { perContext } from "../per-context.ts";
import type { QueryRun } from "../query-context.ts";
import type { RowSource } from "./row-sources.ts";

/** The text of each hash that a label may have; undefined for that of no text. */
export type LabelHashes = ReadonlyMap<bigint, string | undefined>;

/** Texts of one label; of more the database is faster with the texts themselves. */
const MAX_TEXTS = 256;

/** Lists that are remembered. */
const MAX_LISTS = 1000;

/**
 * For each by-field what the hashes of its texts stand for, where the segments' statistics list all
 * of these and no two have the same hash. To group by a hash is cheaper than by text: the database
 * makes it once for each entry of a column's dictionary.
 */
export async function labelHashes(
  run: QueryRun,
  by: readonly FieldRef[],
  sources: readonly RowSource[],
): Promise<(LabelHashes | undefined)[]> {
  const texts: (Set<string> | undefined)[] = [];
  for (const field of by) texts.push(await textsOf(run, field, sources));
  const all = [...new Set(texts.flatMap((some) => (some === undefined ? [] : [...some])))];
  if (all.length === 0) return by.map(() => undefined);
  const hashes = await hashesOf(run, all);
  return texts.map((some) => {
    if (some === undefined) return undefined;
    const own = new Map<bigint, string | undefined>([[hashes.get(null)!, undefined]]);
    for (const text of some) own.set(hashes.get(text)!, text);
    return own.size === some.size + 1 ? own : undefined;
  });
}

/** Texts whose hashes are remembered, and how long they are. */
const MAX_HASHES = 10_000;
const MAX_HASHED_LENGTH = 200;
const knownHashes = perContext(() => new Map<string | null, bigint>());

/** The hashes of these texts, and of no text. */
async function hashesOf(
  run: QueryRun,
  texts: readonly string[],
): Promise<ReadonlyMap<string | null, bigint>> {
  const known = knownHashes(run.context);
  const found = new Map<string | null, bigint>();
  const unknown: string[] = [];
  for (const text of [...texts, null]) {
    const hash = known.get(text);
    if (hash === undefined) unknown.push(text === null ? "NULL" : quoteLiteral(text));
    else found.set(text, hash);
  }
  if (unknown.length === 0) return found;
  const list = `[${unknown.join(", ")}]::VARCHAR[]`;
  const rows = await run.rows(`SELECT hash(text), text FROM (SELECT unnest(${list}) AS text)`);
  if (known.size + rows.length > MAX_HASHES) known.clear();
  for (const [value, of] of rows) {
    const [hash, text] = [value as bigint, of as string | null];
    found.set(text, hash);
    if ((text?.length ?? 0) <= MAX_HASHED_LENGTH) known.set(text, hash);
  }
  return found;
}

/** Undefined when some text may be missing, or there are none or too many. */
async function textsOf(
  run: QueryRun,
  field: FieldRef,
  sources: readonly RowSource[],
): Promise<Set<string> | undefined> {
  const named = new KeysNamed(keysOf([field]));
  const known = new Set<readonly string[]>();
  const texts = new Set<string>();
  for (const { segments, shape, isStored } of sources) {
    if (!labelColumns(field, shape).some(({ type }) => type === "string")) continue;
    if (!isStored) return undefined;
    let isKnown = true;
    await run.withKeys(segments, (meta) => {
      const lists = isKnown ? listedTexts(field, { keys: named.of(meta) }) : undefined;
      for (const list of lists ?? []) {
        // Most segments share theirs.
        if (known.has(list)) continue;
        if (known.size < MAX_LISTS) known.add(list);
        for (const text of list) texts.add(text);
      }
      isKnown = lists !== undefined && texts.size <= MAX_TEXTS;
    });
    if (!isKnown) return undefined;
  }
  return texts.size === 0 ? undefined : texts;
}
