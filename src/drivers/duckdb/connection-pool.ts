import duckdb from "@duckdb/node-bindings";
import { PintailError } from "../../errors.ts";
import type { Deadline } from "./deadline.ts";

type Waiter = { readonly resolve: () => void; readonly reject: (e: unknown) => void };

export type PoolSettings = {
  readonly maxConcurrent: number;
  /** Callers waiting for a place; beyond it `limited`. */
  readonly maxQueued: number;
};

const RETRY_MS = 1000;

/**
 * Places to run a query in, first come first served. Each running query holds a thread of the
 * runtime's pool for file input and output, so `maxConcurrent` must stay below that pool's size.
 */
export class ConnectionPool {
  readonly #open: () => Promise<duckdb.Database>;
  readonly #settings: PoolSettings;
  #database: duckdb.Database | undefined;
  /** Counts the databases opened; a connection of an earlier one is not used again. */
  #generation = 0;
  #opening: Promise<void> | undefined;
  #idle: duckdb.Connection[] = [];
  #waiters: Waiter[] = [];
  #running = 0;
  #closing: PintailError | undefined;
  readonly #deadlines = new Set<Deadline>();

  constructor(open: () => Promise<duckdb.Database>, settings: PoolSettings) {
    this.#open = open;
    this.#settings = settings;
  }

  /** Runs `use` in a place of its own. */
  async use<T>(deadline: Deadline, use: (connection: duckdb.Connection) => Promise<T>): Promise<T> {
    this.#deadlines.add(deadline);
    try {
      await this.#enter(deadline);
      try {
        return await this.#useConnection(use);
      } finally {
        this.#leave();
      }
    } finally {
      this.#deadlines.delete(deadline);
    }
  }

  /** Opens the database when it is not. */
  async ready(): Promise<void> {
    if (this.#database !== undefined) return;
    this.#opening ??= this.#open()
      .then((database) => {
        this.#database = database;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    await this.#opening;
  }

  /** The database is broken: the next use opens it again. */
  reset(): void {
    this.#generation++;
    for (const connection of this.#idle) duckdb.disconnect_sync(connection);
    this.#idle = [];
    if (this.#database !== undefined) duckdb.close_sync(this.#database);
    this.#database = undefined;
  }

  /** Interrupts what runs, refuses what waits, and closes the database when all have ended. */
  async close(): Promise<void> {
    this.#closing ??= new PintailError("unavailable", "the database is closed", {
      retryAfterMs: RETRY_MS,
    });
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#closing);
    for (const deadline of this.#deadlines) deadline.expire(this.#closing);
    while (this.#running > 0) {
      await new Promise<void>((resolve) => this.#waiters.push({ resolve, reject: () => {} }));
      this.#running--;
    }
    this.reset();
  }

  async #useConnection<T>(use: (connection: duckdb.Connection) => Promise<T>): Promise<T> {
    await this.ready();
    const generation = this.#generation;
    const connection = this.#idle.pop() ?? (await duckdb.connect(this.#opened()));
    try {
      return await use(connection);
    } finally {
      if (generation === this.#generation) this.#idle.push(connection);
      else duckdb.disconnect_sync(connection);
    }
  }

  async #enter(deadline: Deadline): Promise<void> {
    if (this.#closing !== undefined) throw this.#closing;
    deadline.throwIfExpired();
    if (this.#running < this.#settings.maxConcurrent) {
      this.#running++;
      return;
    }
    if (this.#waiters.length >= this.#settings.maxQueued) {
      throw new PintailError("limited", `${this.#waiters.length} queries are waiting already`, {
        retryAfterMs: RETRY_MS,
      });
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { resolve, reject };
    this.#waiters.push(waiter);
    const forget = deadline.onExpired(() => {
      const at = this.#waiters.indexOf(waiter);
      if (at === -1) return;
      this.#waiters.splice(at, 1);
      reject(deadline.reason);
    });
    try {
      await promise;
    } finally {
      forget();
    }
  }

  /** Hands the place to the next in line, who counts as running from then on. */
  #leave(): void {
    const next = this.#waiters.shift();
    if (next === undefined) this.#running--;
    else next.resolve();
  }

  #opened(): duckdb.Database {
    if (this.#database === undefined) throw new Error("database is not open");
    return this.#database;
  }
}
