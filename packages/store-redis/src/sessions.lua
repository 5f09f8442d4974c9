-- Logins of a subject. They lie together under the subject, so that the cap and revocation are one step; a pointer leads
-- from a session's id to its subject. The pointer never changes and decides nothing: without its session it leads nowhere.
-- KEYS[1]  of point, resolve, unpoint: string, the subject's id
--          of the others: hash, session id -> packed record
-- ARGV     point subjectId ttlMs                    -> { subject it pointed to before, for how many ms still } | {}
--          resolve                                  -> the subject | nil
--          unpoint [subjectId ms]                   -> 1; back to what point answered
--          create id refreshHash ttlMs idleMs data limit whenFull -> { 1 | 0, evicted id ... }
--          find id [noteUseAfterMs]                 -> record | nil
--          rotate id expectedHash nextHash          -> record | nil
--          list                                     -> { record ... }, newest first
--          revoke [id <id> | except <id>]           -> { ended id ... }, oldest first
-- A record is replied as { id, refreshHash, previousHash | nil, createdAt, rotatedAt, lastUsedAt, expiresAt, idleMs, readAt, data }.
local key, operation = KEYS[1], ARGV[2]

if operation == 'point' then
  local before = redis.call('GET', key)
  local left = redis.call('PTTL', key)
  redis.call('SET', key, ARGV[3], 'PX', lifetime(tonumber(ARGV[4])))
  return before and { before, digits(math.max(left, 1)) } or {}
elseif operation == 'resolve' then
  return redis.call('GET', key)
elseif operation == 'unpoint' then
  if ARGV[3] then redis.call('SET', key, ARGV[3], 'PX', ARGV[4]) else redis.call('DEL', key) end
  return 1
end

local now = now_ms()
local ID, REFRESH_HASH, CREATED_AT, LAST_USED_AT, EXPIRES_AT, DATA, ORDER = 1, 2, 3, 4, 5, 6, 7
-- Not in records of earlier releases. false: it was not rotated yet.
local PREVIOUS_HASH, ROTATED_AT, IDLE_MS = 8, 9, 10

local function is_live(record)
  local idle_ms = record[IDLE_MS] or 0
  return now < record[EXPIRES_AT] and (idle_ms == 0 or now < record[LAST_USED_AT] + idle_ms)
end

local function read(id)
  local packed = redis.call('HGET', key, id)
  local record = packed and cmsgpack.unpack(packed)
  return record and is_live(record) and record or nil
end

local function write(record) redis.call('HSET', key, record[ID], cmsgpack.pack(record)) end

-- Oldest first; what is over is removed on the way.
local function live_records()
  local records = {}
  local fields = redis.call('HGETALL', key)
  for at = 1, #fields, 2 do
    local record = cmsgpack.unpack(fields[at + 1])
    if is_live(record) then records[#records + 1] = record else redis.call('HDEL', key, fields[at]) end
  end
  table.sort(records, function(a, b) return a[ORDER] < b[ORDER] end)
  return records
end

local function exact(number) return string.format('%.17g', number) end

local function shown(record)
  return {
    record[ID], record[REFRESH_HASH], record[PREVIOUS_HASH] or false,
    digits(record[CREATED_AT]), digits(record[ROTATED_AT] or record[LAST_USED_AT]), digits(record[LAST_USED_AT]),
    exact(record[EXPIRES_AT]), exact(record[IDLE_MS] or 0), digits(now), record[DATA],
  }
end

if operation == 'create' then
  local id, limit = ARGV[3], tonumber(ARGV[8])
  local others = {}
  for _, record in ipairs(live_records()) do
    if record[ID] ~= id then others[#others + 1] = record end
  end
  local newest = others[#others]
  local reply = { 1 }
  if limit > 0 and #others >= limit then
    if ARGV[9] == 'refuse' then return { 0 } end
    for _ = limit, #others do
      local oldest = table.remove(others, 1)
      redis.call('HDEL', key, oldest[ID])
      reply[#reply + 1] = oldest[ID]
    end
  end
  local expires_at = now + ARGV[5]
  write({ id, ARGV[4], now, now, expires_at, ARGV[7], newest and newest[ORDER] + 1 or 1, false, now, tonumber(ARGV[6]) })
  for _, record in ipairs(others) do expires_at = math.max(expires_at, record[EXPIRES_AT]) end
  redis.call('PEXPIRE', key, lifetime(expires_at - now))
  return reply
elseif operation == 'find' then
  local record = read(ARGV[3])
  if record and ARGV[4] and now - record[LAST_USED_AT] >= tonumber(ARGV[4]) then
    -- Before it is overwritten: records of earlier releases have no other instant of their last rotation.
    record[PREVIOUS_HASH], record[ROTATED_AT] = record[PREVIOUS_HASH] or false, record[ROTATED_AT] or record[LAST_USED_AT]
    record[IDLE_MS], record[LAST_USED_AT] = record[IDLE_MS] or 0, now
    write(record)
  end
  return record and shown(record)
elseif operation == 'rotate' then
  local record = read(ARGV[3])
  if not record or record[REFRESH_HASH] ~= ARGV[4] then return nil end
  record[PREVIOUS_HASH], record[REFRESH_HASH] = ARGV[4], ARGV[5]
  record[ROTATED_AT], record[LAST_USED_AT], record[IDLE_MS] = now, now, record[IDLE_MS] or 0
  write(record)
  return shown(record)
elseif operation == 'list' then
  local reply = {}
  local records = live_records()
  for at = #records, 1, -1 do reply[#reply + 1] = shown(records[at]) end
  return reply
elseif operation == 'revoke' then
  local which, named = ARGV[3], ARGV[4]
  local ended = {}
  for _, record in ipairs(live_records()) do
    local is_named = record[ID] == named
    if not which or is_named == (which == 'id') then
      redis.call('HDEL', key, record[ID])
      ended[#ended + 1] = record[ID]
    end
  end
  return ended
end
return redis.error_reply('ERR unknown operation')
