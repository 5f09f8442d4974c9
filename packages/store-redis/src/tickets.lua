-- Values put once and taken once.
-- KEYS[1]  string with a deadline
-- ARGV     put value ttlMs                -> 1 | 0
--          take                           -> value | nil
--          peek                           -> value | nil
--          replace expected value ttlMs   -> 1 | 0
local key, operation = KEYS[1], ARGV[2]
local now = now_ms()
local current = read_timed(key, now)

if operation == 'put' then
  if current then return 0 end
  write_timed(key, ARGV[3], now + ARGV[4], now)
  return 1
elseif operation == 'take' then
  redis.call('DEL', key)
  return current
elseif operation == 'peek' then
  return current
elseif operation == 'replace' then
  if current ~= ARGV[3] then return 0 end
  write_timed(key, ARGV[4], now + ARGV[5], now)
  return 1
end
return redis.error_reply('ERR unknown operation')
