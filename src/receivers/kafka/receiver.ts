import type { GroupEvents, GroupMember } from "../../drivers/kafka/group-member.ts";
import { PintailError } from "../../errors.ts";
import type { Ingest } from "../../ingest/ingest.ts";
import { rateLimited } from "../../telemetry/logger.ts";
import { orAborted } from "../../util/or-aborted.ts";
import { sleep } from "../../util/sleep.ts";
import { pushOutcome, type ReceiverDeps } from "../shared/push-outcome.ts";
import { KAFKA_FORMATS } from "./encodings.ts";
import { PushQueue } from "./push-queue.ts";
import { KafkaSession } from "./session.ts";
import type { KafkaReceiverSettings } from "./settings.ts";
import { topicsOf } from "./topics.ts";

export type KafkaParts = {
  readonly ingest: Ingest;
  readonly deps: ReceiverDeps;
  /** A member that is not connected yet. */
  readonly openMember: (events: GroupEvents) => Promise<GroupMember>;
};

export interface KafkaReceiver {
  /**
   * Stops reading, waits for what is being stored, commits and leaves the group; gives up what takes
   * longer than `deadlineMs`, which the group then gives out again.
   */
  close(deadlineMs: number): Promise<void>;
}

const RECONNECT_MS = { first: 500, max: 30_000 };
/** A session that lasted so long was a good one. */
const STEADY_MS = 30_000;
/** Topics come and go. */
const TOPICS_EVERY_MS = 60_000;
/** Longer than that a group is not waited for. */
const LEAVE_MS = 5000;
const WARNING_INTERVAL_MS = 10_000;
const LABELS = { receiver: "kafka/kafka_receiver", transport: "kafka" };

/**
 * Reads spans from topics of Kafka as a member of a consumer group, whether or not a broker is there
 * yet. An offset is committed when all records before it are decoded and durable or were refused for
 * what they hold, so that a crash leads to some records being read twice and none being lost.
 */
export function startKafkaReceiver(
  parts: KafkaParts,
  settings: KafkaReceiverSettings,
): KafkaReceiver {
  const stop = new AbortController();
  const running = runSessions(parts, settings, stop.signal);
  return {
    async close(deadlineMs) {
      stop.abort();
      const late = new AbortController();
      await Promise.race([running, sleep(deadlineMs, late.signal)]);
      late.abort();
    },
  };
}

async function runSessions(
  parts: KafkaParts,
  settings: KafkaReceiverSettings,
  stop: AbortSignal,
): Promise<void> {
  const { log, monotonicMs, metrics } = parts.deps;
  const { name: receiver } = settings;
  const warn = rateLimited(log.warn, WARNING_INTERVAL_MS, monotonicMs);
  const counts = kafkaMetrics(metrics);
  let current: KafkaSession | undefined;
  metrics.onCollect(() => counts.lag.set({ name: receiver }, current?.lag ?? 0));
  let delayMs = RECONNECT_MS.first;
  while (!stop.aborted) {
    const startedMs = monotonicMs();
    try {
      await runSession(parts, settings, stop, counts, (session) => {
        current = session;
      });
      delayMs = RECONNECT_MS.first;
      continue;
    } catch (error) {
      if (monotonicMs() - startedMs > STEADY_MS) delayMs = RECONNECT_MS.first;
      warn("no connection to Kafka", { receiver, error, retryAfterMs: delayMs });
    } finally {
      current = undefined;
    }
    await sleep(delayMs, stop);
    delayMs = Math.min(RECONNECT_MS.max, 2 * delayMs);
  }
}

/** Resolves when it is stopped or when other topics are to be read; rejects when Kafka fails. */
async function runSession(
  { ingest, deps, openMember }: KafkaParts,
  settings: KafkaReceiverSettings,
  stop: AbortSignal,
  counts: KafkaMetrics,
  onSession: (session: KafkaSession) => void,
): Promise<void> {
  const { log, monotonicMs, multitenancyEnabled } = deps;
  const end = new AbortController();
  const outcome = pushOutcome(LABELS, deps);
  const warn = rateLimited(log.warn, WARNING_INTERVAL_MS, monotonicMs);
  let session: KafkaSession | undefined;
  const member = await openMember({
    onAssigned: (partitions) => session?.assigned(partitions),
    onStalled: (error) =>
      end.abort(new PintailError("unavailable", "the group is not reached", { cause: error })),
  });
  const queue = new PushQueue({
    ingest,
    format: KAFKA_FORMATS[settings.encoding],
    multitenancyEnabled,
    outcome,
    onRetry: () => counts.retried.inc(LABELS, 1),
    onProgress: () => {
      if (settings.commitIntervalMs === 0) session?.commitSoon();
    },
    log,
    monotonicMs,
  });
  session = new KafkaSession(
    {
      member,
      queue,
      log,
      monotonicMs,
      end,
      onUnreadable: (error, { topic, partition, offset }) => {
        counts.unreadable.inc(LABELS, 1);
        warn("batch of Kafka left out", { topic, partition, offset: String(offset), error });
      },
    },
    settings,
  );
  onSession(session);
  const ended = () => end.abort();
  stop.addEventListener("abort", ended);
  if (stop.aborted) ended();
  // Readers that wait for room are let go.
  end.signal.addEventListener("abort", () => void queue.close());
  try {
    const topics = await orAborted(existingTopics(member, settings), end.signal);
    if (topics === undefined) return;
    const watch = watchTopics(member, settings, topics, end);
    try {
      await session.run(topics);
    } finally {
      clearInterval(watch);
    }
    await queue.close();
    await session.finish();
  } finally {
    stop.removeEventListener("abort", ended);
    session.abandon();
    await queue.close();
    const late = new AbortController();
    await Promise.race([
      member.close().catch((error) => log.debug("Kafka not left in order", { error })),
      sleep(LEAVE_MS, late.signal),
    ]);
    late.abort();
  }
}

async function existingTopics(
  member: GroupMember,
  settings: KafkaReceiverSettings,
): Promise<readonly string[]> {
  const topics = topicsOf(settings, await member.listTopics());
  if (topics.length > 0) return topics;
  throw new PintailError("unavailable", `no topic is there of ${settings.topics.join(", ")}`);
}

/** Ends the session when another set of topics is to be read. */
function watchTopics(
  member: GroupMember,
  settings: KafkaReceiverSettings,
  topics: readonly string[],
  end: AbortController,
): ReturnType<typeof setInterval> {
  const text = topics.join();
  const look = async (): Promise<void> => {
    if (topicsOf(settings, await member.listTopics()).join() !== text) end.abort();
  };
  // A broker that does not answer is noticed where records are read.
  return setInterval(() => void look().catch(() => {}), TOPICS_EVERY_MS);
}

type KafkaMetrics = ReturnType<typeof kafkaMetrics>;

function kafkaMetrics(metrics: ReceiverDeps["metrics"]) {
  const retried = metrics.counter({
    name: "pintail_receiver_retried_pushes_total",
    help: "Number of records that could not be stored at once and were tried again.",
    labels: ["receiver", "transport"],
  });
  const unreadable = metrics.counter({
    name: "pintail_receiver_kafka_unreadable_batches_total",
    help: "Number of record batches that were left out because they could not be read.",
    labels: ["receiver", "transport"],
  });
  const lag = metrics.gauge({
    name: "pintail_receiver_kafka_lag_records",
    help: "Number of records in the assigned partitions that were not read yet.",
    labels: ["name"],
  });
  retried.inc(LABELS, 0);
  unreadable.inc(LABELS, 0);
  return { retried, unreadable, lag };
}
