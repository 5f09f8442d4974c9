-- The revocation state of a subject; kept for good.
-- KEYS[1]  hash: tokenVersion, passwordVersion, claimsVersion, disabled; absent fields are 1, 1, 1, 0
-- ARGV     read                  -> { tokenVersion, passwordVersion, claimsVersion, disabled }
--          bump field            -> the same, after it
--          setDisabled 1|0       -> the same, after it
local key, operation = KEYS[1], ARGV[2]

if operation == 'bump' then
  redis.call('HSETNX', key, ARGV[3], 1)
  redis.call('HINCRBY', key, ARGV[3], 1)
elseif operation == 'setDisabled' then
  redis.call('HSET', key, 'disabled', ARGV[3])
elseif operation ~= 'read' then
  return redis.error_reply('ERR unknown operation')
end
local state = redis.call('HMGET', key, 'tokenVersion', 'passwordVersion', 'claimsVersion', 'disabled')
return { state[1] or '1', state[2] or '1', state[3] or '1', state[4] or '0' }
