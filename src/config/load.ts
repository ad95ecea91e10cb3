import { bucketSettings, bucketWarnings } from "./bucket-settings.ts";
import { blockRetentionMs, buildSettings, globalLimits } from "./build-settings.ts";
import { settingErrors, settingWarnings } from "./checks.ts";
import { ConfigError } from "./config-error.ts";
import { ConfigValues } from "./config-values.ts";
import { type DecodedKey, decodeBlock, decodeText } from "./decode.ts";
import { type ConfigObject, defaultsTree, effectiveTree } from "./effective.ts";
import { type Env, envText, maxParallelQueries, queryMemoryBytes } from "./environment.ts";
import { expandEnv } from "./expand-env.ts";
import { FLAGS } from "./flag-table.ts";
import { type ParsedFlags, parseFlags, usageError, usageText } from "./flags.ts";
import { generatorConfig } from "./generator-settings.ts";
import { type KeySpec, keyTree } from "./key-spec.ts";
import { allKeys } from "./keys/all.ts";
import { overridesKeys, scopedOverrideKeys } from "./keys/overrides.ts";
import { modernizeOverrides } from "./legacy-overrides.ts";
import { legacyWarning, TenantOverrides } from "./overrides.ts";
import { type DataPaths, DEFAULT_DATA_DIR, dataPaths } from "./paths.ts";
import { type Receivers, readReceivers } from "./receivers.ts";
import { retentionClasses } from "./retention-classes.ts";
import type { ConfigValue } from "./scalar.ts";
import type { Settings } from "./settings.ts";
import { refuseUnsupported, warnUnsupported } from "./treatments.ts";
import { parseYaml, type YamlNode } from "./yaml-tree.ts";

export type LoadInput = {
  /** Without the program's name. */
  readonly args: readonly string[];
  readonly env: Env;
  /** Throws when the file cannot be read. */
  readonly readFile: (path: string) => string;
};

export type LoadedConfig = {
  /** `verify`: print the warnings and exit with 0 when there are none, else with 1. */
  readonly action: "run" | "verify";
  readonly settings: Settings;
  /** Log them once at start. */
  readonly warnings: readonly string[];
  /** Holds secrets: show it through `renderConfig` only. */
  readonly effective: ConfigObject;
  readonly defaults: ConfigObject;
  /** Limits by tenant; already holds the per-tenant file, `reload` takes its new text. */
  readonly overrides: TenantOverrides;
};

export type LoadResult =
  | LoadedConfig
  | { readonly action: "help"; readonly text: string }
  | { readonly action: "version" }
  | { readonly action: "health"; readonly url: string };

const BOUNDS = { maxChars: 4 * 1024 * 1024, maxNodes: 200_000 };
const HEALTH_URL = "http://localhost:3200/ready";

const tree = keyTree(allKeys);
const specByPath: ReadonlyMap<string, KeySpec> = new Map(allKeys.map((spec) => [spec.path, spec]));
const overridesNames: ReadonlySet<string> = new Set(
  keyTree(overridesKeys).children.get("overrides")?.children.keys(),
);

/**
 * Settings from flags, environment, file and defaults, in this order of precedence. Pure but for
 * `readFile`. Throws `ConfigError`, whose message is meant for stderr and whose `exitCode` for the
 * process.
 */
export function loadSettings(input: LoadInput): LoadResult {
  const flags = parseFlags(input.args);
  if (flags.helpWanted) return { action: "help", text: usageText() };
  if (isOn(flags, "version")) return { action: "version" };
  if (isOn(flags, "health")) {
    return { action: "health", url: flags.values.get("health.url") ?? HEALTH_URL };
  }
  const expand = isOn(flags, "config.expand-env")
    ? (text: string) => expandEnv(text, input.env)
    : (text: string) => text;
  const filePath = flags.values.get("config.file") || envText(input.env, "PINTAIL_CONFIG_FILE");
  const file = filePath === undefined ? undefined : readConfigFile(filePath, input, expand);

  const set = new Map(file?.keys);
  const envKeys = environmentKeys(input.env);
  const flagKeys = keysOfFlags(flags);
  for (const [path, decoded] of [...envKeys, ...flagKeys]) set.set(path, decoded);

  const values = new ConfigValues(allKeys, set);
  const receivers = readReceivers(values.decoded("distributor.receivers")?.node);
  const errors = [...receivers.errors, ...refuseUnsupported(set), ...settingErrors(values)];
  const report = (problem: string) => errors.push(problem);
  const bucket = bucketSettings(values, input.env, report);
  const classes = retentionClasses(
    values.decoded("pintail.retention.classes")?.node,
    blockRetentionMs(values),
    report,
  );
  const defaults = overrideDefaults(set);
  const generator = generatorConfig(values, defaults, input.readFile, report);
  refuse(filePath, errors);

  const paths = pathsOf(values, flagKeys, envText(input.env, "PINTAIL_DATA_DIR"));
  const settings = buildSettings({
    values,
    overrideDefaults: defaults,
    receivers,
    generator,
    bucket,
    retentionClasses: classes,
    paths,
    // Without a file this is a first try on somebody's machine; a file says where to listen.
    listenAddress: file === undefined ? "localhost" : "",
    maxParallelQueries: maxParallelQueries(input.env),
    queryMemoryBytes: queryMemoryBytes(input.env),
  });
  const overrides = new TenantOverrides({
    path: settings.perTenantOverrideFile ?? "",
    defaults: settings.limits,
    globals: globalLimits(values),
    generator: generator.globals,
    expand,
  });
  const overrideWarnings = readOverrides(overrides, settings.perTenantOverrideFile, input);
  const unsupported = [
    ...receivers.unsupported,
    ...warnUnsupported(set),
    ...generator.unsupported,
    ...flagsWithoutEffect(flags),
  ];
  return {
    action: isOn(flags, "config.verify") ? "verify" : "run",
    settings,
    warnings: [
      ...(file?.warnings ?? []),
      ...(file !== undefined && !values.isSet("storage.trace.backend")
        ? [`storage.trace.backend is not set: segments are kept in ${paths.segmentDir}`]
        : []),
      ...settingWarnings(values),
      ...bucketWarnings(values),
      ...generator.warnings,
      ...(unsupported.length === 0
        ? []
        : [`accepted but without effect: ${[...new Set(unsupported)].join(", ")}`]),
      ...(flags.rest.length === 0
        ? []
        : [`arguments from "${flags.rest[0]}" on are ignored: no flag follows an argument`]),
      // The defaults and the tenants' file may ask for the same that is not there.
      ...overrideWarnings.filter((warning) => !generator.warnings.includes(warning)),
    ],
    effective: effectiveTree(allKeys, set, resolvedValues(settings, paths, receivers, values)),
    defaults: defaultsTree(allKeys),
    overrides,
  };
}

type ConfigFile = {
  readonly keys: ReadonlyMap<string, DecodedKey>;
  readonly warnings: readonly string[];
};

function readConfigFile(
  path: string,
  { readFile }: LoadInput,
  expand: (text: string) => string,
): ConfigFile {
  const step = <T>(what: string, run: () => T): T => {
    try {
      return run();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ConfigError(`failed parsing config: ${what} ${path}: ${reason}`, { cause });
    }
  };
  const raw = step("failed to read configFile", () => readFile(path));
  const text = step("failed to expand env vars from configFile", () => expand(raw));
  return step("failed to parse configFile", () => {
    const { root, warnings } = modernized(parse(text));
    const { keys, errors } = decodeBlock(root, tree, "");
    if (errors.length > 0) throw new Error(`yaml: unmarshal errors:\n  ${errors.join("\n  ")}`);
    return { keys, warnings };
  });
}

function parse(text: string): YamlNode {
  try {
    return parseYaml(text, BOUNDS);
  } catch (cause) {
    throw new Error(`yaml: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/** Legacy flat keys directly under `overrides` mean its defaults. */
function modernized(root: YamlNode): { root: YamlNode; warnings: readonly string[] } {
  const entry = root.kind === "map" ? root.entries.get("overrides") : undefined;
  if (root.kind !== "map" || entry === undefined) return { root, warnings: [] };
  const { block, legacyKeys } = modernizeOverrides(entry.value, overridesNames, "defaults.");
  if (legacyKeys.length === 0) return { root, warnings: [] };
  const entries = new Map(root.entries).set("overrides", { line: entry.line, value: block });
  return { root: { ...root, entries }, warnings: [legacyWarning("overrides")] };
}

function environmentKeys(env: Env): Map<string, DecodedKey> {
  const keys = new Map<string, DecodedKey>();
  const level = envText(env, "PINTAIL_LOG_LEVEL");
  if (level === undefined) return keys;
  const path = "server.log_level";
  const decoded = decodeText(level, specOf(path));
  if ("error" in decoded) throw new ConfigError(`PINTAIL_LOG_LEVEL: ${decoded.error}`);
  return keys.set(path, fromText(path, decoded.value));
}

function keysOfFlags(flags: ParsedFlags): Map<string, DecodedKey> {
  const keys = new Map<string, DecodedKey>();
  for (const [name, text] of flags.values) {
    const path = FLAGS.get(name)?.path;
    if (path === undefined) continue;
    const decoded = decodeText(text, specOf(path));
    if ("error" in decoded) {
      throw usageError(`invalid value "${text}" for flag -${name}: ${decoded.error}`);
    }
    keys.set(path, fromText(path, decoded.value));
  }
  return keys;
}

function specOf(path: string): KeySpec {
  const spec = specByPath.get(path);
  if (spec === undefined) throw new Error(`no key table knows ${path}`);
  return spec;
}

function fromText(path: string, value: ConfigValue): DecodedKey {
  return { spec: specOf(path), value, line: 0, node: undefined };
}

function flagsWithoutEffect(flags: ParsedFlags): string[] {
  return [...flags.values.keys()]
    .filter((name) => FLAGS.get(name)?.treatment === "warned")
    .map((name) => `-${name}`);
}

/** `PINTAIL_DATA_DIR` is over the file's paths, and flags are over both. */
function pathsOf(
  values: ConfigValues,
  flagKeys: ReadonlyMap<string, DecodedKey>,
  envBase: string | undefined,
): DataPaths {
  const [walPath, localPath] = ["storage.trace.wal.path", "storage.trace.local.path"];
  if (envBase === undefined) {
    const [wal, segments] = [values.text(walPath), values.text(localPath)];
    return dataPaths({ wal, segments, base: DEFAULT_DATA_DIR });
  }
  const under = dataPaths({ wal: "", segments: "", base: envBase });
  return {
    walDir: flagKeys.has(walPath) ? values.text(walPath) : under.walDir,
    segmentDir: flagKeys.has(localPath) ? values.text(localPath) : under.segmentDir,
    dataDir: under.dataDir,
  };
}

function overrideDefaults(set: ReadonlyMap<string, DecodedKey>): ConfigValues {
  const prefix = "overrides.defaults.";
  const keys = [...set].filter(([path]) => path.startsWith(prefix));
  return new ConfigValues(
    scopedOverrideKeys,
    new Map(keys.map(([path, decoded]) => [path.slice(prefix.length), decoded])),
  );
}

function readOverrides(
  overrides: TenantOverrides,
  path: string | undefined,
  { readFile }: LoadInput,
): readonly string[] {
  if (path === undefined) return [];
  let text: string;
  try {
    text = readFile(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`failed to read per-tenant overrides ${path}: ${reason}`, { cause });
  }
  return overrides.reload(text);
}

function refuse(filePath: string | undefined, errors: readonly string[]): void {
  if (errors.length === 0) return;
  const where = filePath === undefined ? "" : ` of ${filePath}`;
  throw new ConfigError(`cannot start with the configuration${where}:\n  ${errors.join("\n  ")}`);
}

/** What the status page shows for keys whose value follows from others. */
function resolvedValues(
  settings: Settings,
  paths: DataPaths,
  receivers: Receivers,
  values: ConfigValues,
): Map<string, ConfigValue> {
  const resolved = new Map<string, ConfigValue>([
    ["server.http_listen_address", settings.server.httpListenAddress],
    ["server.grpc_listen_address", settings.server.grpcListenAddress],
    ["storage.trace.wal.path", paths.walDir],
    ["storage.trace.local.path", paths.segmentDir],
    ["querier.max_concurrent_queries", settings.query.maxConcurrentQueries],
  ]);
  if (!values.isSet("distributor.receivers")) {
    const open = (doors: Readonly<Record<string, { readonly endpoint: string } | undefined>>) =>
      Object.fromEntries(
        Object.entries(doors).flatMap(([name, door]) =>
          door === undefined ? [] : [[name, { endpoint: door.endpoint }]],
        ),
      );
    const { otlp, jaeger, zipkin } = receivers;
    resolved.set("distributor.receivers", {
      otlp: { protocols: open({ grpc: otlp.grpc, http: otlp.http }) },
      jaeger: { protocols: open({ grpc: jaeger.grpc, thrift_http: jaeger.thriftHttp }) },
      ...open({ zipkin }),
    });
  }
  return resolved;
}

function isOn(flags: ParsedFlags, name: string): boolean {
  return flags.values.get(name) === "true";
}
