import { type Bus, createBusOver } from "@portcullis/core";
import type { Driver } from "./driver/driver.js";

/** A bus over the messages of the database. */
export function createSqlBus(driver: Driver): { readonly bus: Bus; readonly close: () => void } {
  return createBusOver(driver.messages);
}
