import type { IngestLimits, IngestSettings } from "../ingest/settings.ts";
import type { GeneratorSettings, TenantGeneratorSettings } from "../metrics-generator/settings.ts";
import type { QueryLimits, QuerySettings } from "../query/settings.ts";
import type { JaegerReceiverSettings } from "../receivers/jaeger/settings.ts";
import type { KafkaReceiverSettings } from "../receivers/kafka/settings.ts";
import type { OtlpReceiverSettings } from "../receivers/otlp/settings.ts";
import type { ZipkinReceiverSettings } from "../receivers/zipkin/settings.ts";
import type { ServerSettings } from "../server/settings.ts";
import type { BucketSettings, RetentionSettings } from "../storage/settings.ts";
import type { LogSettings } from "../telemetry/settings.ts";

/** Everything that a tenant may have of its own; lookup: exact name, then `*`, then the defaults. */
export type TenantLimits = {
  readonly ingest: IngestLimits;
  readonly query: QueryLimits;
  /** Overrides `RetentionSettings.retentionMs` when not 0. */
  readonly retentionMs: number;
  readonly compactionDisabled: boolean;
  /** Undefined: nothing is derived from the tenant's spans. Equal settings are the same object. */
  readonly generator: TenantGeneratorSettings | undefined;
};

/** What `config/` makes of defaults, file, environment and flags; `app.ts` hands out the parts. */
export type Settings = {
  readonly target: "all";
  readonly server: ServerSettings;
  readonly log: LogSettings;
  readonly otlp: OtlpReceiverSettings;
  readonly jaeger: JaegerReceiverSettings;
  /** The door is open exactly when it has settings. */
  readonly zipkin: ZipkinReceiverSettings | undefined;
  /** One consumer each. */
  readonly kafka: readonly KafkaReceiverSettings[];
  readonly ingest: IngestSettings;
  readonly retention: RetentionSettings;
  /** Where segments rest besides the local disk. */
  readonly bucket: BucketSettings | undefined;
  readonly query: QuerySettings;
  /** Undefined: nothing is derived from spans. */
  readonly generator: GeneratorSettings | undefined;
  /** Lets its bearer change what is stored, beside the one in the data folder. */
  readonly adminToken: string | undefined;
  /** Folder of the catalog, the lock and anything else that is not WAL or segments. */
  readonly dataDir: string;
  readonly limits: TenantLimits;
  readonly perTenantOverrideFile: string | undefined;
  readonly perTenantOverridePeriodMs: number;
};
