// Core has them, because its guards need them too; everything here reads untrusted objects through this one name.
export { hasFromClass, own, ownOptions } from "@portcullis/core";
