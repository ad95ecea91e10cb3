/** What a v2 tag becomes; all keys that are not listed are attributes. */
export const TagClass = {
  attribute: 0,
  resource: 1,
  libraryName: 2,
  libraryVersion: 3,
  serviceNameSource: 4,
  statusCode: 5,
  statusDescription: 6,
  error: 7,
  traceState: 8,
  spanKind: 9,
  // Attributes that the endpoints give; a tag counts where they do not.
  hostIp: 10,
  hostPort: 11,
  peerIp: 12,
  peerPort: 13,
  peerService: 14,
  /** The first of the links' tags, `otlp.link.0`; the last is `link + MAX_LINK_TAGS - 1`. */
  link: 16,
} as const;

/** Links of one span that tags can give. */
export const MAX_LINK_TAGS = 128;

/** Keys that belong to the resource, as the Collector has them. */
const RESOURCE_KEYS = `cloud.provider cloud.account.id cloud.region cloud.availability_zone
  cloud.platform aws.ecs.container.arn aws.ecs.cluster.arn aws.ecs.launchtype aws.ecs.task.arn
  aws.ecs.task.family aws.ecs.task.revision aws.eks.cluster.arn aws.log.group.names
  aws.log.group.arns aws.log.stream.names aws.log.stream.arns container.name container.id
  container.runtime container.image.name container.image.tag deployment.environment device.id
  device.model.identifier device.model.name device.manufacturer faas.name faas.id faas.version
  faas.instance faas.max_memory host.id host.name host.type host.arch host.image.name host.image.id
  host.image.version k8s.cluster.name k8s.node.name k8s.node.uid k8s.namespace.name k8s.pod.uid
  k8s.pod.name k8s.container.name k8s.container.restart_count k8s.replicaset.uid
  k8s.replicaset.name k8s.deployment.uid k8s.deployment.name k8s.statefulset.uid
  k8s.statefulset.name k8s.daemonset.uid k8s.daemonset.name k8s.job.uid k8s.job.name
  k8s.cronjob.uid k8s.cronjob.name os.type os.description os.name os.version process.pid
  process.executable.name process.executable.path process.command process.command_line
  process.command_args process.owner process.runtime.name process.runtime.version
  process.runtime.description service.name service.namespace service.instance.id service.version
  telemetry.sdk.name telemetry.sdk.language telemetry.sdk.version telemetry.auto.version
  webengine.name webengine.version webengine.description opencensus.starttime
  opencensus.exporterversion opencensus.resourcetype`;

const CONTROL_KEYS: readonly (readonly [string, number])[] = [
  ["otel.library.name", TagClass.libraryName],
  ["otel.library.version", TagClass.libraryVersion],
  ["otlp.service.name.source", TagClass.serviceNameSource],
  ["otel.status_code", TagClass.statusCode],
  ["otel.status_description", TagClass.statusDescription],
  ["error", TagClass.error],
  ["w3c.tracestate", TagClass.traceState],
  ["span.kind", TagClass.spanKind],
  ["net.host.ip", TagClass.hostIp],
  ["net.host.port", TagClass.hostPort],
  ["net.peer.ip", TagClass.peerIp],
  ["net.peer.port", TagClass.peerPort],
  ["peer.service", TagClass.peerService],
];

const LINK_PREFIX = new TextEncoder().encode("otlp.link.");

type Entry = { readonly key: Uint8Array; readonly tagClass: number };

/** Keys that share a slot stand in one list; there are seldom two. */
const SLOTS: readonly (readonly Entry[] | undefined)[] = makeSlots();

/** The class of the tag whose key is `bytes[start .. end]`, one of `TagClass` or a link's. */
export function tagClassOf(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return TagClass.attribute;
  const entries = SLOTS[slotOf(bytes, start, end)];
  if (entries !== undefined) {
    for (const { key, tagClass } of entries) if (isKey(key, bytes, start, end)) return tagClass;
  }
  return bytes[start] === LINK_PREFIX[0] ? linkClassOf(bytes, start, end) : TagClass.attribute;
}

/** `otlp.link.` and a number below the bound, without leading zeros. */
function linkClassOf(bytes: Uint8Array, start: number, end: number): number {
  const digits = start + LINK_PREFIX.length;
  if (end <= digits || end > digits + 3) return TagClass.attribute;
  if (!isKey(LINK_PREFIX, bytes, start, digits)) return TagClass.attribute;
  if (bytes[digits] === 0x30 && end > digits + 1) return TagClass.attribute;
  let index = 0;
  for (let i = digits; i < end; i++) {
    const digit = bytes[i]! - 0x30;
    if (digit < 0 || digit > 9) return TagClass.attribute;
    index = index * 10 + digit;
  }
  return index < MAX_LINK_TAGS ? TagClass.link + index : TagClass.attribute;
}

function makeSlots(): (Entry[] | undefined)[] {
  const slots = new Array<Entry[] | undefined>(1024).fill(undefined);
  const encoder = new TextEncoder();
  const keys: (readonly [string, number])[] = RESOURCE_KEYS.split(/\s+/).map((key) => [
    key,
    TagClass.resource,
  ]);
  for (const [text, tagClass] of [...keys, ...CONTROL_KEYS]) {
    const key = encoder.encode(text);
    const slot = slotOf(key, 0, key.length);
    slots[slot] = [...(slots[slot] ?? []), { key, tagClass }];
  }
  return slots;
}

function slotOf(bytes: Uint8Array, start: number, end: number): number {
  const middle = bytes[(start + end) >>> 1]!;
  return ((end - start) * 37 + bytes[start]! * 5 + middle * 131 + bytes[end - 1]! * 17) & 1023;
}

function isKey(key: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false;
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[start + i]) return false;
  return true;
}
