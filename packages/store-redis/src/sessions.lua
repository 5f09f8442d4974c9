-- Logins of a subject. They lie together under the subject, so that the cap and revocation are one step; a pointer leads
-- from a session's id to its subject. The pointer never changes and decides nothing: without its session it leads nowhere.
-- KEYS[1]  of point, resolve, unpoint: string, the subject's id
--          of the others: hash, session id -> packed record
-- ARGV     point subjectId ttlMs                    -> the subject it pointed to before | nil
--          resolve                                  -> the subject | nil
--          unpoint                                  -> 1
--          create id refreshHash ttlMs data cap     -> { evicted id ... }
--          find id                                  -> record | nil
--          rotate id expectedHash nextHash          -> 1 | 0
--          list                                     -> { record ... }, newest first
--          revoke [id]                              -> { ended id ... }
-- A record is { id, refreshHash, createdAt, lastUsedAt, expiresAt, data }.
local key, operation = KEYS[1], ARGV[2]

if operation == 'point' then
  local before = redis.call('GET', key)
  redis.call('SET', key, ARGV[3], 'PX', lifetime(tonumber(ARGV[4])))
  return before
elseif operation == 'resolve' then
  return redis.call('GET', key)
elseif operation == 'unpoint' then
  redis.call('DEL', key)
  return 1
end

local now = now_ms()
local ID, REFRESH_HASH, CREATED_AT, LAST_USED_AT, EXPIRES_AT, DATA, ORDER = 1, 2, 3, 4, 5, 6, 7

local function read(id)
  local packed = redis.call('HGET', key, id)
  local record = packed and cmsgpack.unpack(packed)
  return record and now < record[EXPIRES_AT] and record or nil
end

local function write(record) redis.call('HSET', key, record[ID], cmsgpack.pack(record)) end

-- Oldest first; what has expired is removed on the way.
local function live_records()
  local records = {}
  local fields = redis.call('HGETALL', key)
  for at = 1, #fields, 2 do
    local record = cmsgpack.unpack(fields[at + 1])
    if now < record[EXPIRES_AT] then records[#records + 1] = record else redis.call('HDEL', key, fields[at]) end
  end
  table.sort(records, function(a, b) return a[ORDER] < b[ORDER] end)
  return records
end

local function shown(record)
  return {
    record[ID], record[REFRESH_HASH], digits(record[CREATED_AT]), digits(record[LAST_USED_AT]),
    string.format('%.17g', record[EXPIRES_AT]), record[DATA],
  }
end

if operation == 'create' then
  local id, cap = ARGV[3], tonumber(ARGV[7])
  redis.call('HDEL', key, id)
  local records = live_records()
  local evicted = {}
  while cap > 0 and #records >= cap do
    local oldest = table.remove(records, 1)
    redis.call('HDEL', key, oldest[ID])
    evicted[#evicted + 1] = oldest[ID]
  end
  local newest = records[#records]
  records[#records + 1] = { id, ARGV[4], now, now, now + ARGV[5], ARGV[6], newest and newest[ORDER] + 1 or 1 }
  write(records[#records])
  local last = now
  for _, record in ipairs(records) do last = math.max(last, record[EXPIRES_AT]) end
  redis.call('PEXPIRE', key, lifetime(last - now))
  return evicted
elseif operation == 'find' then
  local record = read(ARGV[3])
  return record and shown(record)
elseif operation == 'rotate' then
  local record = read(ARGV[3])
  if not record or record[REFRESH_HASH] ~= ARGV[4] then return 0 end
  record[REFRESH_HASH], record[LAST_USED_AT] = ARGV[5], now
  write(record)
  return 1
elseif operation == 'list' then
  local reply = {}
  local records = live_records()
  for at = #records, 1, -1 do reply[#reply + 1] = shown(records[at]) end
  return reply
elseif operation == 'revoke' then
  local ended = {}
  for _, record in ipairs(live_records()) do
    if not ARGV[3] or record[ID] == ARGV[3] then
      redis.call('HDEL', key, record[ID])
      ended[#ended + 1] = record[ID]
    end
  end
  return ended
end
return redis.error_reply('ERR unknown operation')
