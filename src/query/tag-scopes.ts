/** Scopes that attributes have, in the order of the answer. */
export const TAG_SCOPES = ["resource", "span", "event", "link", "instrumentation"] as const;
export type TagScope = (typeof TAG_SCOPES)[number];
