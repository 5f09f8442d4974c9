-- Rate limits of a subject (GCRA), checked together: all are charged or none is.
-- KEYS[1]  string: a version byte, then for each limit in use <id: 8 bytes><arrival: double><span: double>.
--          arrival: epoch ms at which the limit is full again; span: what a full debt was when it was stored.
--          A limit whose arrival has passed equals one never used, and is dropped.
-- ARGV     consume (id span room charge)...   -> { allowed 1|0, debt before it ... }
--          refund (id span charge)...         -> 1
--          reset                              -> 1
-- The arithmetic of room, charge and verdict is core's (limit-state.ts); all numbers are ms.
local key, operation = KEYS[1], ARGV[2]
if operation == 'reset' then
  redis.call('DEL', key)
  return 1
end

local VERSION = string.char(1)
local ID_BYTES, ENTRY_BYTES = 8, 24
local now = now_exact()
local arrivals, spans, changed = {}, {}, false

local stored = redis.call('GET', key)
-- Another version is another program's: read as empty, replaced by the next charge.
if stored and string.sub(stored, 1, 1) == VERSION then
  for at = 2, #stored, ENTRY_BYTES do
    local id = string.sub(stored, at, at + ID_BYTES - 1)
    local arrival, span = struct.unpack('<dd', stored, at + ID_BYTES)
    if arrival > now then arrivals[id], spans[id] = arrival, span end
  end
end

local function set(id, arrival, span)
  arrivals[id], spans[id], changed = arrival, span, true
end

-- A clock that was set back leaves arrivals beyond the span: clamped. A limit that changed keeps the share that is used.
local function debt_of(id, span)
  local arrival = arrivals[id]
  if not arrival then return 0 end
  local before = spans[id]
  local debt = arrival - now
  if debt >= before then debt = span elseif before ~= span then debt = debt / before * span end
  if before ~= span or arrival - now > before then set(id, now + debt, span) end
  return debt
end

local function save()
  if not changed then return end
  local parts, last = { VERSION }, now
  for id, arrival in pairs(arrivals) do
    if arrival > now then
      parts[#parts + 1] = id .. struct.pack('<dd', arrival, spans[id])
      last = math.max(last, arrival)
    end
  end
  if #parts == 1 then redis.call('DEL', key) else redis.call('SET', key, table.concat(parts), 'PX', lifetime(last - now)) end
end

if operation == 'consume' then
  local reply, allowed = { 1 }, true
  for at = 3, #ARGV, 4 do
    local debt = debt_of(ARGV[at], tonumber(ARGV[at + 1]))
    -- Not `debt > room`: of numbers that are none, that would be false.
    if not (debt <= tonumber(ARGV[at + 2])) then allowed = false end
    reply[#reply + 1] = string.format('%.17g', debt)
  end
  if allowed then
    for at = 3, #ARGV, 4 do
      local id, span, charge = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 3])
      if charge > 0 then set(id, now + debt_of(id, span) + charge, span) end
    end
  else
    reply[1] = 0
  end
  save()
  return reply
elseif operation == 'refund' then
  for at = 3, #ARGV, 3 do
    local id, span, charge = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    local debt = debt_of(id, span)
    if debt > 0 and charge > 0 then set(id, now + debt - charge, span) end
  end
  save()
  return 1
end
return redis.error_reply('ERR unknown operation')
