/** Go's names of the suites of TLS 1.2 and before, without `TLS_`, as OpenSSL's. */
const SUITES: Readonly<Record<string, string>> = {
  RSA_WITH_AES_128_CBC_SHA: "AES128-SHA",
  RSA_WITH_AES_256_CBC_SHA: "AES256-SHA",
  RSA_WITH_AES_128_CBC_SHA256: "AES128-SHA256",
  RSA_WITH_AES_128_GCM_SHA256: "AES128-GCM-SHA256",
  RSA_WITH_AES_256_GCM_SHA384: "AES256-GCM-SHA384",
  ECDHE_ECDSA_WITH_AES_128_CBC_SHA: "ECDHE-ECDSA-AES128-SHA",
  ECDHE_ECDSA_WITH_AES_256_CBC_SHA: "ECDHE-ECDSA-AES256-SHA",
  ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: "ECDHE-ECDSA-AES128-SHA256",
  ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: "ECDHE-ECDSA-AES128-GCM-SHA256",
  ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: "ECDHE-ECDSA-AES256-GCM-SHA384",
  ECDHE_ECDSA_WITH_CHACHA20_POLY1305: "ECDHE-ECDSA-CHACHA20-POLY1305",
  ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
  ECDHE_RSA_WITH_AES_128_CBC_SHA: "ECDHE-RSA-AES128-SHA",
  ECDHE_RSA_WITH_AES_256_CBC_SHA: "ECDHE-RSA-AES256-SHA",
  ECDHE_RSA_WITH_AES_128_CBC_SHA256: "ECDHE-RSA-AES128-SHA256",
  ECDHE_RSA_WITH_AES_128_GCM_SHA256: "ECDHE-RSA-AES128-GCM-SHA256",
  ECDHE_RSA_WITH_AES_256_GCM_SHA384: "ECDHE-RSA-AES256-GCM-SHA384",
  ECDHE_RSA_WITH_CHACHA20_POLY1305: "ECDHE-RSA-CHACHA20-POLY1305",
  ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-RSA-CHACHA20-POLY1305",
};

/** Both libraries call these the same. */
const TLS_1_3 = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
];

export type CipherSuites = { readonly names: string } | { readonly unknown: string };

/**
 * Go's suite names, joined by commas, as OpenSSL's, joined by colons; an empty text stays empty. The
 * suites of TLS 1.3 are always among them, because Go's list does not choose those.
 */
export function openSslCiphers(text: string): CipherSuites {
  const given = text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (given.length === 0) return { names: "" };
  const names = new Set(TLS_1_3);
  for (const name of given) {
    if (TLS_1_3.includes(name)) continue;
    const short = name.replace(/^TLS_/, "");
    if (short === name || !Object.hasOwn(SUITES, short)) return { unknown: name };
    names.add(SUITES[short] ?? "");
  }
  return { names: [...names].join(":") };
}
