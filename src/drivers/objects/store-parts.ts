import type { Clock } from "../../runtime/clock.ts";
import type { FailureReason } from "./request-failure.ts";

/** One kind of request to a store; a call of `ObjectStore` may make several. */
export type ObjectOperation =
  | "put"
  | "get"
  | "head"
  | "delete"
  | "list"
  | "start_upload"
  | "put_part"
  | "complete_upload"
  | "abort_upload";

export type RequestOutcome = "ok" | FailureReason | "error";

/** One request and how it ended. Bytes are those of bodies. */
export type ObservedRequest = {
  readonly operation: ObjectOperation;
  readonly outcome: RequestOutcome;
  readonly durationMs: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
};

/** Components that stores need, so that tests control them. */
export type ObjectStoreParts = {
  readonly clock: Clock;
  /** In [0, 1): jitter. */
  readonly random: () => number;
  /** Names no two uploads share. */
  readonly newId: () => string;
  readonly onRequest: (request: ObservedRequest) => void;
};
