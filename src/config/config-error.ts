import { PintailError } from "../errors.ts";

/**
 * The configuration cannot be used. `exitCode` is the process's: 2 for a wrong command line (the
 * message then holds the usage text), 1 for everything else, as Tempo does.
 */
export class ConfigError extends PintailError {
  readonly exitCode: 1 | 2;

  constructor(message: string, options: { cause?: unknown; exitCode?: 1 | 2 } = {}) {
    super("invalid", message, { cause: options.cause });
    this.name = "ConfigError";
    this.exitCode = options.exitCode ?? 1;
  }
}
