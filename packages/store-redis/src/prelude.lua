-- Stands before every script of this folder.
-- ARGV[1]  epoch ms of a manual clock, or '' for the server's time
-- ARGV[2]  the operation; its arguments follow

-- With microseconds.
local function now_exact()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000
end

local function now_ms() return math.floor(now_exact()) end

-- Never tostring(): it prints 1.8e+12.
local function digits(number) return string.format('%.0f', number) end

-- The stored deadline decides; the server's own expiry only cleans up, a little later. A manual clock may stand still meanwhile.
local GRACE_MS = ARGV[1] == '' and 1000 or 3600000
local function lifetime(ms) return digits(math.min(math.ceil(ms), 8.64e15) + GRACE_MS) end

-- Strings with a deadline: '<expiresAt>:<value>'. Half-open: at the deadline itself it has passed.
local function read_timed(key, now)
  local stored = redis.call('GET', key)
  if not stored then return nil end
  local colon = string.find(stored, ':', 1, true)
  local expires_at = tonumber(string.sub(stored, 1, colon - 1))
  if now >= expires_at then return nil end
  return string.sub(stored, colon + 1), expires_at
end

local function write_timed(key, value, expires_at, now)
  redis.call('SET', key, string.format('%.17g', expires_at) .. ':' .. value, 'PX', lifetime(expires_at - now))
end

