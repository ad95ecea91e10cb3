import { ConfigError } from "../../src/config/config-error.ts";
import { type LoadedConfig, loadSettings } from "../../src/config/load.ts";

export type Files = Readonly<Record<string, string>>;

export function readFrom(files: Files): (path: string) => string {
  return (path) => {
    const text = files[path];
    if (text === undefined) throw new Error(`open ${path}: no such file or directory`);
    return text;
  };
}

/** Loads `/etc/tempo.yaml` with `text`, or no file when it is undefined. */
export function load(
  text: string | undefined,
  options: { args?: string[]; env?: Record<string, string>; files?: Files } = {},
): LoadedConfig {
  const args = [
    ...(text === undefined ? [] : ["-config.file=/etc/tempo.yaml"]),
    ...(options.args ?? []),
  ];
  const files = { ...(text === undefined ? {} : { "/etc/tempo.yaml": text }), ...options.files };
  const result = loadSettings({ args, env: options.env ?? {}, readFile: readFrom(files) });
  if (result.action !== "run" && result.action !== "verify") throw new Error(result.action);
  return result;
}

/** The message of the `ConfigError` that loading ends with. */
export function loadError(...args: Parameters<typeof load>): string {
  return configError(() => load(...args)).message;
}

export function configError(run: () => unknown): ConfigError {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("no ConfigError was thrown");
}

/** A file that needs no warning. */
export const LOCAL = "storage: { trace: { backend: local, local: { path: /d/blocks } } }\n";
