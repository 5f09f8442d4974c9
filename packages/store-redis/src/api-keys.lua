-- API keys, kept for good, and the list of each owner's.
-- KEYS[1]  of enlist, delist, listed: list of key ids, newest first
--          of the others: hash with the record's fields; absent instants are ''
-- ARGV     enlist id                 -> 1
--          delist id                 -> 1
--          listed                    -> { id ... }
--          insert (field value)...   -> 1 | 0
--          find                      -> { field, value ... }, empty when there is none
--          revoke ownerId            -> 1 | 0
--          touch minIntervalMs       -> 1
local key, operation = KEYS[1], ARGV[2]

if operation == 'enlist' then
  redis.call('LREM', key, 0, ARGV[3])
  redis.call('LPUSH', key, ARGV[3])
  return 1
elseif operation == 'delist' then
  redis.call('LREM', key, 0, ARGV[3])
  return 1
elseif operation == 'listed' then
  return redis.call('LRANGE', key, 0, -1)
elseif operation == 'insert' then
  if redis.call('EXISTS', key) == 1 then return 0 end
  for at = 3, #ARGV, 2 do redis.call('HSET', key, ARGV[at], ARGV[at + 1]) end
  return 1
elseif operation == 'find' then
  return redis.call('HGETALL', key)
elseif operation == 'revoke' then
  local state = redis.call('HMGET', key, 'ownerId', 'revokedAt')
  if state[1] ~= ARGV[3] or state[2] ~= '' then return 0 end
  redis.call('HSET', key, 'revokedAt', digits(now_ms()))
  return 1
elseif operation == 'touch' then
  local used_at = redis.call('HGET', key, 'lastUsedAt')
  local now = now_ms()
  if used_at and (used_at == '' or now - used_at >= tonumber(ARGV[3])) then redis.call('HSET', key, 'lastUsedAt', digits(now)) end
  return 1
end
return redis.error_reply('ERR unknown operation')
