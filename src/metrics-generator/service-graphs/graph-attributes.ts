import { type AttributeColumns, AttributeType } from "../../model/attribute-columns.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import type { BatchAttributes } from "../batch-attributes.ts";
import { valueText } from "../value-text.ts";

/** Where a database is, by what its client says, before the name that the attribute itself has. */
const ADDRESSES = ["peer.service", "server.address"] as const;
const NETWORK_ADDRESS = "network.peer.address";
const NETWORK_PORT = "network.peer.port";
export const ADDRESS_KEYS: readonly string[] = [...ADDRESSES, NETWORK_ADDRESS, NETWORK_PORT];

/** Texts of attributes, by key. */
export class GraphAttributes {
  readonly #batch: SpanBatch;
  readonly #attributes: BatchAttributes;
  readonly #numberOf: ReadonlyMap<string, number>;
  /** By string id: services and databases are few. */
  readonly #texts = new Map<number, string>();

  /** `attributes` know all keys that are asked for. */
  constructor(batch: SpanBatch, attributes: BatchAttributes) {
    this.#batch = batch;
    this.#attributes = attributes;
    this.#numberOf = new Map(attributes.keys.map((key, number) => [key, number]));
  }

  service(row: number): string {
    const { resource, resourceServiceName } = this.#batch;
    return this.#text(resourceServiceName[resource[row]!]!);
  }

  /** Undefined where the span does not have it. */
  ofSpan(row: number, key: string): string | undefined {
    const entry = this.#attributes.ofSpan(row, this.#numberOf.get(key) ?? -1);
    return entry < 0 ? undefined : this.#valueText(this.#batch.attributes, entry);
  }

  /** Of the resource, else of the span. */
  of(row: number, key: string): string | undefined {
    const { resource, resourceAttributes } = this.#batch;
    const entry = this.#attributes.ofResource(resource[row]!, this.#numberOf.get(key) ?? -1);
    return entry < 0 ? this.ofSpan(row, key) : this.#valueText(resourceAttributes, entry);
  }

  /** Of the first of the keys that the span has; '' when it has none. */
  firstOfSpan(row: number, keys: readonly string[]): string {
    for (const key of keys) {
      const text = this.ofSpan(row, key);
      if (text !== undefined) return text;
    }
    return "";
  }

  /** The database that a client's span calls, by one of the keys that tell; undefined for none. */
  database(row: number, nameKeys: readonly string[]): string | undefined {
    const name = this.#firstOf(row, nameKeys);
    if (name === undefined) return undefined;
    const named = this.#firstOf(row, ADDRESSES);
    if (named !== undefined) return named;
    const address = this.of(row, NETWORK_ADDRESS);
    if (address === undefined) return name;
    const port = this.of(row, NETWORK_PORT);
    return port === undefined ? address : `${address}:${port}`;
  }

  #firstOf(row: number, keys: readonly string[]): string | undefined {
    for (const key of keys) {
      const text = this.of(row, key);
      if (text !== undefined) return text;
    }
    return undefined;
  }

  #valueText(columns: AttributeColumns, entry: number): string {
    return columns.types[entry] === AttributeType.string
      ? this.#text(columns.values[2 * entry]!)
      : valueText(columns, entry, this.#batch.strings);
  }

  #text(id: number): string {
    let text = this.#texts.get(id);
    if (text === undefined) {
      text = this.#batch.strings.text(id);
      this.#texts.set(id, text);
    }
    return text;
  }
}
