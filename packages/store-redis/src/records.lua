-- Documents of a collection, kept for good. A collection lies in one slot: it is for small ones.
-- KEYS[1]  hash: id -> packed record
-- KEYS[2]  hash: unique key -> id
-- KEYS[3]  sorted set, all of score 0: '<scope part>\0<id>', so that a scope is a range in the order of its ids
-- ARGV     insert id scope scopePart hasUniqueKey uniqueKey value   -> record | nil
--          find id | findUnique uniqueKey                           -> record | nil
--          replace id expectedRevision value                        -> record | nil
--          remove id expectedRevision|''                            -> 1 | 0
--          list scopePart limit offset [after]                      -> { total, record ... }
-- A record is { id, scope, hasUniqueKey, uniqueKey, value, revision, createdAt, updatedAt }.
local records, uniques, index = KEYS[1], KEYS[2], KEYS[3]
local operation = ARGV[2]
local ID, SCOPE_PART, HAS_UNIQUE, UNIQUE, VALUE, REVISION, CREATED_AT, UPDATED_AT, SCOPE = 1, 2, 3, 4, 5, 6, 7, 8, 9

local function read(id)
  local packed = id and redis.call('HGET', records, id)
  return packed and cmsgpack.unpack(packed) or nil
end

local function member(scope_part, id) return scope_part .. '\0' .. id end

local function shown(record)
  return record and {
    record[ID], record[SCOPE], record[HAS_UNIQUE], record[UNIQUE], record[VALUE],
    digits(record[REVISION]), digits(record[CREATED_AT]), digits(record[UPDATED_AT]),
  }
end

if operation == 'insert' then
  local id, scope, scope_part, has_unique, unique, value = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
  if redis.call('HEXISTS', records, id) == 1 then return nil end
  if has_unique == '1' and redis.call('HSETNX', uniques, unique, id) == 0 then return nil end
  local now = now_ms()
  local record = { id, scope_part, has_unique, unique, value, 1, now, now, scope }
  redis.call('HSET', records, id, cmsgpack.pack(record))
  redis.call('ZADD', index, 0, member(scope_part, id))
  return shown(record)
elseif operation == 'find' then
  return shown(read(ARGV[3]))
elseif operation == 'findUnique' then
  return shown(read(redis.call('HGET', uniques, ARGV[3])))
elseif operation == 'replace' then
  local record = read(ARGV[3])
  if not record or record[REVISION] ~= tonumber(ARGV[4]) then return nil end
  record[VALUE], record[REVISION], record[UPDATED_AT] = ARGV[5], record[REVISION] + 1, now_ms()
  redis.call('HSET', records, record[ID], cmsgpack.pack(record))
  return shown(record)
elseif operation == 'remove' then
  local record = read(ARGV[3])
  if not record or (ARGV[4] ~= '' and record[REVISION] ~= tonumber(ARGV[4])) then return 0 end
  redis.call('HDEL', records, record[ID])
  if record[HAS_UNIQUE] == '1' then redis.call('HDEL', uniques, record[UNIQUE]) end
  redis.call('ZREM', index, member(record[SCOPE_PART], record[ID]))
  return 1
elseif operation == 'list' then
  local scope_part, limit, offset, after = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
  local first, beyond = '[' .. member(scope_part, ''), '(' .. scope_part .. '\1'
  local reply = { digits(redis.call('ZLEXCOUNT', index, first, beyond)) }
  local from = after and '(' .. member(scope_part, after) or first
  for _, found in ipairs(redis.call('ZRANGEBYLEX', index, from, beyond, 'LIMIT', offset, limit)) do
    reply[#reply + 1] = shown(read(string.sub(found, #scope_part + 2)))
  end
  return reply
end
return redis.error_reply('ERR unknown operation')
