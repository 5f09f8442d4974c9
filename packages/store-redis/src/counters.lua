-- Counts that may not pass a limit within a window.
-- KEYS[1]  string with a deadline: the count
-- ARGV     add amount limit windowMs   -> { accepted 1|0, value, remainingMs }
--          read                        -> { value, remainingMs }
--          reset                       -> 1
local key, operation = KEYS[1], ARGV[2]
if operation == 'reset' then
  redis.call('DEL', key)
  return 1
end

local now = now_ms()
local stored, expires_at = read_timed(key, now)
local value = tonumber(stored or 0)
local remaining = stored and string.format('%.17g', expires_at - now) or '0'

if operation == 'read' then
  return { digits(value), remaining }
elseif operation == 'add' then
  local sum = value + ARGV[3]
  if sum > tonumber(ARGV[4]) then return { 0, digits(value), remaining } end
  -- The window opens with the first accepted count and is never extended.
  local ends_at = expires_at or now + ARGV[5]
  write_timed(key, digits(sum), ends_at, now)
  return { 1, digits(sum), string.format('%.17g', ends_at - now) }
end
return redis.error_reply('ERR unknown operation')
