-- One holder at a time of a named right.
-- KEYS[1]  string with a deadline: the holder
-- ARGV     acquire holder ttlMs   -> 1 | 0
--          release holder         -> 1 | 0
local key, operation, holder = KEYS[1], ARGV[2], ARGV[3]
local now = now_ms()
local current = read_timed(key, now)

if operation == 'acquire' then
  if current and current ~= holder then return 0 end
  write_timed(key, holder, now + ARGV[4], now)
  return 1
elseif operation == 'release' then
  if current ~= holder then return 0 end
  redis.call('DEL', key)
  return 1
end
return redis.error_reply('ERR unknown operation')
