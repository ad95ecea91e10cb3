import { retentionBlock } from "./build-settings.ts";
import type { ConfigValues } from "./config-values.ts";

/** Combinations that stop the start. */
export function settingErrors(values: ConfigValues): readonly string[] {
  const errors: string[] = [];
  const target = values.text("target");
  if (target !== "all" && target !== "scalable-single-binary") {
    errors.push(`target ${target} is not supported: Pintail runs as one process, target all`);
  }
  const apiPrefix = values.text("http_api_prefix");
  if (apiPrefix !== "" && !apiPrefix.startsWith("/")) {
    errors.push(`http_api_prefix "${apiPrefix}" must begin with /`);
  }
  const pathPrefix = values.text("server.http_path_prefix");
  if (pathPrefix !== "" && !pathPrefix.startsWith("/")) {
    errors.push(`server.http_path_prefix "${pathPrefix}" must begin with /`);
  }
  for (const block of ["server.http_tls_config", "server.grpc_tls_config"]) {
    errors.push(...tlsErrors(values, block));
  }
  const cutoff = values.durationMs("query_frontend.query_end_cutoff");
  const backendAfter = values.durationMs("query_frontend.search.query_backend_after");
  if (backendAfter > 0 && cutoff >= backendAfter) {
    const [after, end] = [
      values.text("query_frontend.search.query_backend_after"),
      values.text("query_frontend.query_end_cutoff"),
    ];
    errors.push(`QueryBackendAfter (${after}) must be greater than query end cutoff (${end})`);
  }
  const token = values.text("pintail.admin.token");
  if (token !== "" && !/^[!-~]{16,1000}$/.test(token)) {
    errors.push("pintail.admin.token must have 16 to 1000 visible ASCII characters");
  }
  if (values.durationMs("overrides.per_tenant_override_period") === 0) {
    errors.push("overrides.per_tenant_override_period must be greater than 0");
  }
  return errors;
}

function tlsErrors(values: ConfigValues, block: string): string[] {
  if (!values.hasAny(block)) return [];
  const [cert, key] = [values.text(`${block}.cert_file`), values.text(`${block}.key_file`)];
  const [ca, auth] = [
    values.text(`${block}.client_ca_file`),
    values.text(`${block}.client_auth_type`),
  ];
  if ((cert === "") !== (key === "")) return [`${block} needs both cert_file and key_file`];
  if (cert === "" && (ca !== "" || auth !== "")) {
    return [`${block} asks for client certificates but has no cert_file`];
  }
  if (ca !== "" && (auth === "" || auth === "NoClientCert")) {
    return [`${block}.client_ca_file is set without a client_auth_type that uses it`];
  }
  return [];
}

/** What Tempo warns about at its start, as far as it means something here. */
export function settingWarnings(values: ConfigValues): readonly string[] {
  const warnings: string[] = [];
  const pollMs = values.durationMs("storage.trace.blocklist_poll");
  if (values.text("target") === "scalable-single-binary") {
    warnings.push("target scalable-single-binary is run as all");
  }
  for (const block of ["live_store", "ingester"]) {
    const path = `${block}.complete_block_timeout`;
    if (values.isSet(path) && values.durationMs(path) < pollMs) {
      warnings.push(`${path} < storage.trace.blocklist_poll`);
    }
  }
  const retention = retentionBlock(values, "block_retention");
  if (retention !== undefined) {
    const ms = values.durationMs(`${retention}.block_retention`);
    if (ms > 0 && ms < pollMs) {
      warnings.push(
        `backend_worker.compaction.compacted_block_timeout < storage.trace.blocklist_poll (${retention}.block_retention is shorter)`,
      );
    }
  }
  for (const block of ["backend_worker.compaction", "compactor.compaction"]) {
    const path = `${block}.retention_concurrency`;
    if (values.number(path) === 0) {
      warnings.push(`${path} must be greater than zero. Using default.`);
    }
  }
  if (values.number("storage.trace.blocklist_poll_concurrency") === 0) {
    warnings.push(
      "storage.trace.blocklist_poll_concurrency must be greater than zero. Using default.",
    );
  }
  return warnings;
}
