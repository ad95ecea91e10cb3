import type { SenderOptions } from "./sender.ts";

/** What the bench asks of the client process. */
export type ClientTask =
  | {
      readonly type: "open";
      readonly sender: SenderOptions;
      /** Where the query API answers. */
      readonly queryUrl: string;
      /** Distinct spans; more are copies of them with other ids and times. */
      readonly distinctSpans: number;
    }
  | {
      /** As many requests at a time as `inFlight` says, until `spans` are acknowledged. */
      readonly type: "load";
      readonly spans: number;
      readonly inFlight: number;
    }
  | {
      /** One request every `1 / perSecond`, whether or not the ones before were answered. */
      readonly type: "rate";
      readonly perSecond: number;
      readonly requests: number;
    }
  | {
      /** Sends one trace at a time and asks for it from the moment of its acknowledgement. */
      readonly type: "visible";
      readonly by: "trace-id" | "search";
      readonly probes: number;
    }
  | { readonly type: "close" };

/** Milliseconds. */
export type Latencies = {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
};

export type Sent = {
  readonly spans: number;
  readonly traces: number;
  readonly requests: number;
  readonly bytes: number;
  readonly wallMs: number;
  readonly ack: Latencies;
};

export type Seen = {
  readonly spans: number;
  readonly traces: number;
  readonly latency: Latencies;
  /** Probes that the first question found. */
  readonly atOnce: number;
};

export type ClientResult<T extends ClientTask["type"]> = T extends "load" | "rate"
  ? Sent
  : T extends "visible"
    ? Seen
    : undefined;

export type ToClient = { readonly id: number; readonly task: ClientTask };
export type FromClient =
  | { readonly id: number; readonly result: Sent | Seen | undefined }
  | { readonly id: number; readonly error: string };
