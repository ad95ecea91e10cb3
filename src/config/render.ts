import { stringify } from "yaml";
import { PintailError } from "../errors.ts";
import { type ConfigObject, diffTree } from "./effective.ts";
import { maskSecrets } from "./mask.ts";
import type { ConfigValue } from "./scalar.ts";

export type RunningConfig = { readonly effective: ConfigObject; readonly defaults: ConfigObject };

/**
 * The running configuration as YAML with credentials masked, as `/status/config` shows it: all of
 * it, with `mode` `diff` what differs from the defaults, with `defaults` those. Another mode is an
 * error of kind `internal`, because Tempo answers 500 there.
 */
export function renderConfig(config: RunningConfig, mode: string | undefined): string {
  switch (mode) {
    case undefined:
    case "":
      return renderYaml(config.effective);
    case "diff":
      return renderYaml(diffTree(config.effective, config.defaults));
    case "defaults":
      return renderYaml(config.defaults);
    default:
      throw new PintailError("internal", `unknown value for mode query parameter: ${mode}`);
  }
}

/** Any part of a configuration as YAML, masked. */
export function renderYaml(value: ConfigValue): string {
  return stringify(maskSecrets(value), { lineWidth: 0, aliasDuplicateObjects: false });
}
