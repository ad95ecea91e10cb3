import { loadKafkaTls, openGroupMember } from "../drivers/kafka/open-group-member.ts";
import type { Ingest } from "../ingest/ingest.ts";
import { type KafkaReceiver, startKafkaReceiver } from "../receivers/kafka/receiver.ts";
import type { KafkaReceiverSettings } from "../receivers/kafka/settings.ts";
import type { ReceiverDeps } from "../receivers/shared/push-outcome.ts";

/** Starts a consumer. Throws `invalid` for a certificate that cannot be read; no broker is needed. */
export async function openKafka(
  ingest: Ingest,
  settings: KafkaReceiverSettings,
  deps: ReceiverDeps,
): Promise<KafkaReceiver> {
  const { client } = settings;
  const tls = client.tls === undefined ? undefined : await loadKafkaTls(client.tls);
  return startKafkaReceiver(
    { ingest, deps, openMember: (events) => openGroupMember(client, tls, events) },
    settings,
  );
}
