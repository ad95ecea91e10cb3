import { ENVIRONMENT } from "./environment.ts";
import type { KeySpec } from "./key-spec.ts";
import { allKeys } from "./keys/all.ts";
import {
  jaegerReceiverKeys,
  kafkaReceiverKeys,
  otlpReceiverKeys,
  zipkinReceiverKeys,
} from "./keys/distributor.ts";
import { remoteWriteKeys } from "./keys/remote-write.ts";

const RECEIVER_KEYS: Readonly<Record<string, readonly KeySpec[]>> = {
  otlp: otlpReceiverKeys,
  jaeger: jaegerReceiverKeys,
  zipkin: zipkinReceiverKeys,
  kafka: kafkaReceiverKeys,
};

/**
 * The settings tables of the README, as Markdown: keys that have an effect, then the environment,
 * then the keys that are only accepted, by name.
 */
export function settingsReference(): string {
  const receivers = Object.entries(RECEIVER_KEYS).flatMap(([name, keys]) =>
    keys.map((spec) => ({ ...spec, path: `distributor.receivers.${name}.${spec.path}` })),
  );
  const remoteWrite = remoteWriteKeys.map((spec) => ({
    ...spec,
    path: `metrics_generator.storage.remote_write[].${spec.path}`,
  }));
  const inner: Readonly<Record<string, readonly KeySpec[]>> = {
    "distributor.receivers": receivers,
    "metrics_generator.storage.remote_write": remoteWrite,
  };
  const specs = allKeys.flatMap((spec) => [spec, ...(inner[spec.path] ?? [])]);
  const effective = specs.filter((s) => s.treatment === "honoured" || s.treatment === "mapped");
  return [
    "| Key | Default | Effect |",
    "| --- | --- | --- |",
    ...effective.map((spec) => `| \`${spec.path}\` | ${defaultCell(spec)} | ${cell(spec.doc)} |`),
    "",
    "| Environment | Effect |",
    "| --- | --- |",
    ...Object.entries(ENVIRONMENT).map(([name, doc]) => `| \`${name}\` | ${cell(doc)} |`),
    "",
    "Accepted without effect, with one warning that names those that ask for something:",
    `${names(specs, "warned")}.`,
    "",
    `Refused, because ignoring them would lose data or open access: ${names(specs, "refused")}.`,
    "",
  ].join("\n");
}

function names(specs: readonly KeySpec[], treatment: KeySpec["treatment"]): string {
  const found = specs.filter((spec) => spec.treatment === treatment);
  return [...new Set(found.map((spec) => `\`${spec.warnAs ?? spec.path}\``))].join(", ");
}

function defaultCell(spec: KeySpec): string {
  if (spec.default === undefined) return "";
  const text = typeof spec.default === "string" ? spec.default : JSON.stringify(spec.default);
  return text === "" ? "" : `\`${text}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
