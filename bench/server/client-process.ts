import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { ClientResult, ClientTask, FromClient, ToClient } from "./client-messages.ts";

type TaskOf<T extends ClientTask["type"]> = Extract<ClientTask, { type: T }>;

/** The bench's side of the client process. Tasks may run at the same time. */
export class ClientProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #nextId = 1;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (message: FromClient) => {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if ("error" in message) waiting?.reject(new Error(`client: ${message.error}`));
      else waiting?.resolve(message.result);
    });
    child.once("exit", (code) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(`the client ended with ${code}`));
      }
    });
  }

  /** Resolves when the requests are made and the client can send. */
  static async start(options: Omit<TaskOf<"open">, "type">): Promise<ClientProcess> {
    const client = new ClientProcess(
      fork(join(import.meta.dirname, "client.ts"), {
        execArgv: process.versions.bun ? [] : ["--disable-warning=ExperimentalWarning"],
        stdio: ["ignore", "inherit", "inherit", "ipc"],
      }),
    );
    await client.run({ type: "open", ...options });
    return client;
  }

  run<T extends ClientTask["type"]>(task: TaskOf<T>): Promise<ClientResult<T>> {
    const id = this.#nextId++;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.#child.send({ id, task } satisfies ToClient);
    return waiting.promise as Promise<ClientResult<T>>;
  }

  async close(): Promise<void> {
    if (!this.#child.connected) return;
    const ended = new Promise((done) => this.#child.once("exit", done));
    await this.run({ type: "close" });
    this.#child.disconnect();
    await ended;
  }
}
