import { describe, expect, it } from "vitest";
import { eventually } from "../support/e2e-answers.ts";
import {
  eventuallyFound,
  kafkaSuite,
  newTraceId,
  otlpMessage,
  uniqueName,
} from "../support/e2e-kafka.ts";
import { RealKafka } from "../support/kafka-cluster.ts";
import { PintailProcess } from "../support/pintail-process.ts";

// Against a real broker when one is named; `.ci/kafka` starts one.
const broker = process.env.PINTAIL_KAFKA ?? "";
const secure = process.env.PINTAIL_KAFKA_SECURE ?? "";

describe("with a real broker", () => {
  if (broker === "") {
    it.skip("needs a broker: PINTAIL_KAFKA=host:port (.ci/kafka starts one)", () => {});
    return;
  }
  kafkaSuite(async () => new RealKafka(broker));
});

describe("with a real broker, TLS and SASL", () => {
  if (broker === "" || secure === "") {
    it.skip("needs a broker: PINTAIL_KAFKA_SECURE=host:port,ca,user,password", () => {});
    return;
  }
  const [address, ca, username, password] = secure.split(",") as [string, string, string, string];

  const receiver = (topic: string, auth: string, tls: string) => `kafka:
  brokers: ["${address}"]
  group_id: ${topic}
  initial_offset: earliest
  traces: { topics: ["${topic}"] }
  auth: { ${auth} }
${tls === "" ? "" : `  tls: { ${tls} }\n`}`;
  const sasl = (mechanism: string, secret = password) =>
    `sasl: { mechanism: ${mechanism}, username: ${username}, password: ${secret} }`;

  it.each([
    ["SASL PLAIN", `plain_text: { username: ${username}, password: ${password} }`],
    ["SCRAM-SHA-256", sasl("SCRAM-SHA-256")],
    ["SCRAM-SHA-512", sasl("SCRAM-SHA-512")],
  ])("reads with %s", async (_, auth) => {
    const topic = uniqueName("secure");
    const traceId = newTraceId();
    const cluster = new RealKafka(broker);
    await cluster.createTopic(topic, 1);
    await cluster.produce(topic, [otlpMessage(traceId)]);
    await cluster.close();
    const receivers = receiver(topic, auth, `ca_file: ${ca}`);
    const pintail = await PintailProcess.start({ receivers });
    try {
      await eventuallyFound(pintail, [traceId]);
    } finally {
      await pintail.remove();
    }
  });

  it.each([
    ["a wrong password", sasl("SCRAM-SHA-512", "wrong"), `ca_file: ${ca}`, /authentication/i],
    ["a certificate of nobody known", sasl("PLAIN"), "insecure: false", /self.signed/],
    ["plain text", sasl("PLAIN"), "", /TLS|[Cc]onnection/],
  ])("says why it does not read with %s, and runs on", async (_, auth, tls, reason) => {
    const receivers = receiver(uniqueName("secure"), auth, tls);
    const pintail = await PintailProcess.start({ receivers });
    try {
      const warning = await eventually(
        "a warning",
        async () => /msg="no connection to Kafka".*/.exec(pintail.output)?.[0] ?? "",
        (line) => line !== "",
      );
      expect(warning).toMatch(reason);
      expect(warning).not.toContain("wrong");
      const settings = await (await pintail.get("/status/config")).text();
      expect(settings).toContain("password: <secret>");
      expect(await pintail.stop()).toBe(0);
    } finally {
      await pintail.remove();
    }
  });
});
