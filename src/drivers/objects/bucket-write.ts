import type {
  BucketBackend,
  StoredObject,
  WriteCondition,
  WrittenObject,
} from "./bucket-backend.ts";
import { md5 } from "./md5.ts";
import { isFailure, RequestFailure } from "./request-failure.ts";
import { type RequestRunner, unlessFailed } from "./request-runner.ts";

/** What became of a write: somebody else's object stays for `refused`. */
export type WriteOutcome =
  | { readonly outcome: "written"; readonly version: string }
  | { readonly outcome: "refused"; readonly found: StoredObject | undefined };

export type WriteJob = {
  readonly what: string;
  readonly key: string;
  readonly uploadId: string;
  readonly condition: WriteCondition;
  readonly sizeBytes: number;
  /**
   * What a store without conditional writes is given for the condition `absent`: a look before the
   * write. Without it such a store is `unsupported`.
   */
  readonly lookInstead: boolean;
  readonly signal: AbortSignal;
};

/** Requests of a write, with what settles a lost answer. `key` is whole. */
export class BucketWriter {
  readonly backend: BucketBackend;
  readonly runner: RequestRunner;

  constructor(backend: BucketBackend, runner: RequestRunner) {
    this.backend = backend;
    this.runner = runner;
  }

  /** The whole body in one request. */
  put(job: WriteJob, bytes: Uint8Array): Promise<WriteOutcome> {
    const checksum = md5(bytes);
    const { key, uploadId, condition, signal } = job;
    return this.settle(job, () =>
      this.runner.request("put", signal, { sentBytes: bytes.length }, (attemptSignal) =>
        this.backend.put({ key, bytes, md5: checksum, uploadId, condition }, attemptSignal),
      ),
    );
  }

  /**
   * Repeats `write` until it is known what became of it. Before a repetition, and whenever a
   * condition failed, the object under the key is looked at: one with our upload id is this write.
   */
  settle(job: WriteJob, write: () => Promise<WrittenObject>): Promise<WriteOutcome> {
    const { what, signal } = job;
    return this.runner.retry({ what, signal }, async (previous) => {
      const unconditional = job.condition.type !== "none" && !this.backend.conditionalWrites;
      if (unconditional && !job.lookInstead) {
        throw new RequestFailure("unsupported", "the store has no conditional writes");
      }
      if (previous?.maybeDone === true || unconditional) {
        const found = await this.find(job.key, signal);
        if (found !== undefined && this.#isOurs(job, found)) return written(found.version);
        if (found !== undefined && unconditional) return { outcome: "refused", found };
      }
      try {
        const result = await write();
        return written(result.verified ? result.version : await this.#verify(job, result));
      } catch (e) {
        // Learned just now; the next try looks first.
        if (isFailure(e, "unsupported") && job.lookInstead && !this.backend.conditionalWrites) {
          throw new RequestFailure("busy", e.message, { cause: e });
        }
        if (!isFailure(e, "precondition")) throw e;
        const found = await this.find(job.key, signal);
        if (found !== undefined && this.#isOurs(job, found)) return written(found.version);
        if (found === undefined && job.condition.type === "absent") {
          throw new RequestFailure("busy", "somebody wrote and deleted it meanwhile", { cause: e });
        }
        return { outcome: "refused", found };
      }
    });
  }

  find(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    return unlessFailed(
      "missing",
      () => this.runner.request("head", signal, {}, (s) => this.backend.head(key, s)),
      () => undefined,
    );
  }

  /** For answers that do not prove it: what is stored is ours, whole, and of the answer's version. */
  async #verify(job: WriteJob, result: WrittenObject): Promise<string> {
    const found = await this.find(job.key, job.signal);
    if (found === undefined) throw new RequestFailure("broken", "not found after it was written");
    if (!this.#isOurs(job, found)) {
      throw new RequestFailure("broken", "another object is found after it was written");
    }
    if (found.version !== result.version) {
      throw new RequestFailure("broken", "versions of two answers differ");
    }
    return found.version;
  }

  #isOurs(job: WriteJob, found: StoredObject): boolean {
    return found.uploadId === job.uploadId && found.sizeBytes === job.sizeBytes;
  }
}

function written(version: string): WriteOutcome {
  return { outcome: "written", version };
}
