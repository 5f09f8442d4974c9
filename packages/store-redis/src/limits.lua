-- Limits of a holder, asked together: all are charged and the lease is taken, or nothing is.
-- KEYS[1]  string: a version byte, then an entry for each limit in use. Ids and spans are made by limits.ts.
--            bucket   <id: 4 bytes><span: 3 bytes><arrival: 7 bytes, epoch us at which it is full again>
--            counter  <id: 4 bytes><length><start><current><previous>: doubles, ms; of the calendar: length 0, previous is the period's end
--            block    <0x5f x 4><0 x 3><until: 7 bytes, epoch us>
--          The first byte of an id says which: below 0x5f a bucket, above a counter. A bucket whose arrival has passed equals one
--          never used, and is dropped.
-- KEYS[2]  sorted set of leases by deadline (ms), where a lease is asked for
-- ARGV     consume [D] (bucket: id..span spanUs roomUs chargeUs | counter: id lengthMs capacity cost boundaries)... [L capacity key ttlMs]
--            -> { allowed 1|0, now in us, us until a block ends,
--                 (bucket: debt in us before it | counter: start, current, previous before it)..., [places free before it] }; with D nothing is changed
--          settle at (bucket: id..span spanUs giveUs | counter: id lengthMs capacity cost boundaries)... [L key]  -> 1
--          block ms -> 1      reset -> 1
--          renew key ttlMs -> 1|0 (KEYS[1] is the sorted set)
-- Room, charge and verdict of a bucket are core's arithmetic (limit-state.ts); that of counters is repeated here.
local key, operation = KEYS[1], ARGV[2]
local now -- us
if ARGV[1] ~= '' then
  now = math.floor(tonumber(ARGV[1]) * 1000 + 0.5)
else
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
-- The stored deadline decides; the server's own expiry only cleans up, a little later. A manual clock may stand still meanwhile.
local grace_ms = ARGV[1] == '' and 1000 or 3600000
-- Never tostring(): it prints 1.8e+12.
local function lifetime(us) return string.format('%.0f', math.min(math.ceil(us / 1000), 8.64e15) + grace_ms) end

if operation == 'reset' then
  redis.call('DEL', key)
  return 1
elseif operation == 'renew' then
  local expires_at = redis.call('ZSCORE', key, ARGV[3])
  if not expires_at or tonumber(expires_at) <= now / 1000 then return 0 end
  redis.call('ZADD', key, string.format('%.17g', now / 1000 + ARGV[4]), ARGV[3])
  local life = lifetime(ARGV[4] * 1000)
  if redis.call('PTTL', key) < tonumber(life) then redis.call('PEXPIRE', key, life) end
  return 1
end

local VERSION, BLOCK = '\2', '\95\95\95\95'
-- The share of a span that its three bytes may not tell.
local SPAN_GRAIN = 0.0001
local arrivals, spans, counters, changed = {}, {}, {}, false

local stored = redis.call('GET', key)
-- Another version is another program's: read as empty, replaced by the next charge.
if stored and string.sub(stored, 1, 1) == VERSION then
  local at = 2
  while at <= #stored do
    if string.byte(stored, at) > 95 then
      local id, length, start, current, previous = struct.unpack('<c4dddd', stored, at)
      counters[id] = { length, start, current, previous }
      at = at + 36
    else
      local id, span, arrival = struct.unpack('<c4c3I7', stored, at)
      if arrival > now then arrivals[id], spans[id] = arrival, span end
      at = at + 14
    end
  end
end

local function set(id, span, arrival)
  arrivals[id], spans[id], changed = math.ceil(arrival), span, true
end

local function span_us(span)
  local low, middle, high = string.byte(span, 1, 3)
  return (low + middle * 128 + (high % 4) * 16384) * 10 ^ (math.floor(high / 4) - 8)
end

-- A clock that was set back leaves arrivals beyond the span: clamped. A limit that changed keeps the share that is used.
local function debt_of(id, span, most)
  local arrival = arrivals[id]
  if not arrival then return 0 end
  local debt = arrival - now
  if spans[id] ~= span then
    local before = span_us(spans[id])
    debt = debt >= before * (1 - SPAN_GRAIN) and most or debt / before * most
    set(id, span, now + debt)
  elseif debt > most then
    debt = most
    set(id, span, now + debt)
  end
  return debt
end

-- What is used around now: start, current, previous; for the calendar the period's end stands for the window before.
local function use_of(id, length, boundaries)
  local counter, now_ms = counters[id], now / 1000
  if length == 0 then
    local start, finish
    for instant in string.gmatch(boundaries, '[^,]+') do
      local edge = tonumber(instant)
      if not start then start = edge elseif not finish or now_ms >= finish then start, finish = finish or start, edge end
    end
    -- Beyond the last boundary: periods as long as the last one.
    if now_ms >= finish then
      local period = finish - start
      start = finish + math.floor((now_ms - finish) / period) * period
      finish = start + period
    end
    if not counter or counter[2] < start then return start, 0, finish end
    return counter[2], counter[3], finish
  end
  local start = math.floor(now_ms / length) * length
  if not counter then return start, 0, 0 end
  local function seen_from(from, window)
    local windows = math.floor((from - counter[2]) / window + 0.5)
    if windows <= 0 then return counter[3], counter[4] end
    if windows == 1 then return 0, counter[3] end
    return 0, 0
  end
  local before = counter[1]
  if before == length then
    local current, previous = seen_from(start, length)
    return start, current, previous
  end
  local from = math.floor(now_ms / before) * before
  local current, previous = seen_from(from, before)
  local overlap = 1 - math.min(1, math.max(0, (now_ms - from) / before))
  return start, math.ceil(current + previous * overlap), 0
end

local function count(id, length, start, current, previous)
  counters[id], changed = { length, start, current, previous }, true
end

local function ends_at(counter)
  if counter[1] == 0 then return counter[3] > 0 and counter[4] or 0 end
  if counter[3] > 0 then return counter[2] + 2 * counter[1] end
  return counter[4] > 0 and counter[2] + counter[1] or 0
end

local function save()
  if not changed then return end
  local parts, last = { VERSION }, now
  for id, arrival in pairs(arrivals) do
    if arrival > now then
      parts[#parts + 1] = id .. spans[id] .. struct.pack('<I7', arrival)
      if arrival > last then last = arrival end
    end
  end
  for id, counter in pairs(counters) do
    local ends = ends_at(counter) * 1000
    if ends > now then
      parts[#parts + 1] = id .. struct.pack('<dddd', unpack(counter))
      if ends > last then last = ends end
    end
  end
  if #parts == 1 then redis.call('DEL', key) else redis.call('SET', key, table.concat(parts), 'PX', lifetime(last - now)) end
end

local function exact(number) return string.format('%.17g', number) end

if operation == 'consume' then
  local blocked = arrivals[BLOCK] and arrivals[BLOCK] - now or 0
  local reply, allowed, charges = { 1, now, blocked }, blocked == 0, {}
  local at, total, dry = 3, #ARGV, ARGV[3] == 'D'
  if dry then at = 4 end
  while at <= total do
    local name = ARGV[at]
    if name == 'L' then
      redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', exact(now / 1000))
      local free = ARGV[at + 1] - redis.call('ZCARD', KEYS[2])
      if free <= 0 then allowed = false end
      reply[#reply + 1] = free
      local ttl = tonumber(ARGV[at + 3])
      if ttl > 0 then
        local lease = ARGV[at + 2]
        charges[#charges + 1] = function()
          redis.call('ZADD', KEYS[2], exact(now / 1000 + ttl), lease)
          local life = lifetime(ttl * 1000)
          if redis.call('PTTL', KEYS[2]) < tonumber(life) then redis.call('PEXPIRE', KEYS[2], life) end
        end
      end
      at = at + 4
    elseif string.byte(name) > 95 then
      local length, capacity, cost = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
      local start, current, previous = use_of(name, length, ARGV[at + 4])
      local used = current
      if length > 0 then used = current + previous * (1 - math.min(1, math.max(0, (now / 1000 - start) / length))) end
      if cost ~= 0 and not (cost >= 0 and cost <= capacity and used + cost <= capacity + 0.000001) then allowed = false end
      local size = #reply
      reply[size + 1], reply[size + 2], reply[size + 3] = exact(start), exact(current), exact(previous)
      -- A clock that was set back: written anew for the present window, so that it fades from now on.
      local counter = counters[name]
      if length > 0 and counter and counter[2] > start then count(name, length, start, current, previous) end
      if cost > 0 then charges[#charges + 1] = function() count(name, length, start, current + cost, previous) end end
      at = at + 5
    else
      local id, span = string.sub(name, 1, 4), string.sub(name, 5)
      local debt, charge = debt_of(id, span, tonumber(ARGV[at + 1])), tonumber(ARGV[at + 3])
      -- Not `debt > room`: of numbers that are none, that would be false.
      if not (debt <= tonumber(ARGV[at + 2])) then allowed = false end
      reply[#reply + 1] = math.ceil(debt)
      if charge > 0 then charges[#charges + 1] = function() set(id, span, now + debt + charge) end end
      at = at + 4
    end
  end
  if not allowed then
    reply[1] = 0
  elseif not dry then
    for _, charge in ipairs(charges) do charge() end
  end
  if not dry then save() end
  return reply
elseif operation == 'settle' then
  local charged_at = tonumber(ARGV[3])
  local at, total = 4, #ARGV
  while at <= total do
    local name = ARGV[at]
    if name == 'L' then
      redis.call('ZREM', KEYS[2], ARGV[at + 1])
      at = at + 2
    elseif string.byte(name) > 95 then
      local length, capacity, cost = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
      local start, current, previous = use_of(name, length, ARGV[at + 4])
      local function settled(used) return math.min(math.max(used, capacity), math.max(0, used - cost)) end
      if charged_at >= start then
        count(name, length, start, settled(current), previous)
      elseif length > 0 and charged_at >= start - length then
        count(name, length, start, current, settled(previous))
      end
      at = at + 5
    else
      local id, span, most = string.sub(name, 1, 4), string.sub(name, 5), tonumber(ARGV[at + 1])
      local debt, give = debt_of(id, span, most), tonumber(ARGV[at + 2])
      if (debt > 0 or give < 0) and give ~= 0 then set(id, span, now + math.min(most, math.max(0, debt - give))) end
      at = at + 3
    end
  end
  save()
  return 1
elseif operation == 'block' then
  local ms = tonumber(ARGV[3])
  arrivals[BLOCK], spans[BLOCK], changed = nil, nil, true
  if ms > 0 then set(BLOCK, '\0\0\0', now + ms * 1000) end
  save()
  return 1
end
return redis.error_reply('ERR unknown operation')
