/** Scopes that attributes have, in the order of the answer. */
export const TAG_SCOPES = ["resource", "span", "event", "link", "instrumentation"] as const;
export type TagScope = (typeof TAG_SCOPES)[number];

/** Names by scope; of other scopes nothing is looked for. */
export type NamesByScope = ReadonlyMap<TagScope, Set<string>>;
