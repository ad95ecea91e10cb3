import { describe, it } from "vitest";
import { kafkaSuite } from "../support/e2e-kafka.ts";
import { RealKafka } from "../support/kafka-cluster.ts";

// Against a real broker when one is named; `.ci/kafka` starts one.
const broker = process.env.PINTAIL_KAFKA;

describe("with a real broker", () => {
  if (broker === undefined || broker === "") {
    it.skip("needs a broker: PINTAIL_KAFKA=host:port (.ci/kafka starts one)", () => {});
    return;
  }
  kafkaSuite(async () => new RealKafka(broker));
});
