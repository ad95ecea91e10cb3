import { differingKeys } from "./config-values.ts";
import type { DecodedKey } from "./decode.ts";

/** Names of the set keys that are accepted without effect, for one warning. */
export function warnUnsupported(
  set: ReadonlyMap<string, DecodedKey>,
  prefix = "",
): readonly string[] {
  const names = differingKeys(set)
    .filter(({ spec }) => spec.treatment === "warned")
    .map(({ path, spec }) => prefix + (spec.warnAs ?? path));
  return [...new Set(names)];
}

/** One error for each set key whose being ignored would lose data, open access or change results. */
export function refuseUnsupported(
  set: ReadonlyMap<string, DecodedKey>,
  prefix = "",
): readonly string[] {
  return differingKeys(set)
    .filter(({ spec }) => spec.treatment === "refused")
    .map(({ path, line, spec }) => {
      const where = line > 0 ? `line ${line}: ` : "";
      return `${where}${prefix}${path} is not supported: ${lowerFirst(spec.doc)}`;
    });
}

/** A doc line is a sentence, an error message is not. */
function lowerFirst(sentence: string): string {
  return sentence.slice(0, 1).toLowerCase() + sentence.slice(1).replace(/\.$/, "");
}
