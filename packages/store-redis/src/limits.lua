-- Limits of a holder, asked together: all are charged and the lease is taken, or nothing is.
-- KEYS[1]  string: a version byte, then an entry for each limit in use. Ids and spans are made by limits.ts.
--            bucket   <id: 4 bytes><span: 3 bytes><arrival: 7 bytes, epoch us at which it is full again>
--            counter  <id: 4 bytes><length><start><current><previous>: doubles, ms; of the calendar: length 0, previous is the period's end
--            block    <0x5f x 4><0 x 3><until: 7 bytes, epoch us>
--          The first byte of an id says which: below 0x5f a bucket, above a counter. A bucket whose arrival has passed equals one
--          never used, and is dropped.
-- KEYS[2]  sorted set of leases by deadline (epoch us, whole: numbers pass into a command with all their digits), where a lease is asked for
-- ARGV     consume [D] (bucket: id..span spanUs roomUs chargeUs | counter: id lengthMs capacity cost boundaries)... [L capacity key ttlMs]
--            -> { allowed 1|0, now in us, us until a block ends,
--                 (bucket: debt in us before it | counter: start, current, previous before it)..., [places free before it] }; with D nothing is changed
--          settle at (bucket: id..span spanUs giveUs | counter: id lengthMs capacity cost boundaries)... [L key]  -> 1
--          block ms -> 1      reset -> 1
--          renew key ttlMs -> 1|0 (KEYS[1] is the sorted set)
-- Room, charge and verdict of a bucket are core's arithmetic (limit-state.ts); that of counters is repeated here. No functions: in Lua 5.1
-- making a closure, with what it captures, costs more than a limit does.
local call, argv, key, operation = redis.call, ARGV, KEYS[1], ARGV[2]
local ceil, floor, byte, format = math.ceil, math.floor, string.byte, string.format
local now, grace_ms -- us; the stored deadline decides, the server's own expiry only cleans up, a little later
if argv[1] == '' then
  local time = call('TIME')
  now, grace_ms = time[1] * 1000000 + time[2], 1000
else
  -- A manual clock may stand still meanwhile.
  now, grace_ms = floor(tonumber(argv[1]) * 1000 + 0.5), 3600000
end

if operation == 'reset' then
  call('DEL', key)
  return 1
elseif operation == 'renew' then
  local expires_at, ttl = call('ZSCORE', key, argv[3]), tonumber(argv[4])
  if not expires_at or tonumber(expires_at) <= now then return 0 end
  call('ZADD', key, ceil(now + ttl * 1000), argv[3])
  if call('PTTL', key) < ttl + grace_ms then call('PEXPIRE', key, 2 * ceil(ttl) + grace_ms) end
  return 1
end

local consumes, settles = operation == 'consume', operation == 'settle'
if settles and argv[4] == 'L' then
  -- A place alone: the limits need not be read.
  call('ZREM', KEYS[2], argv[5])
  return 1
end

local VERSION, BLOCK, EDGE = '\2', '\95\95\95\95', 95
local arrivals, spans, counters, changed = {}, {}, nil, false
local stored = call('GET', key)
-- Another version is another program's: read as empty, replaced by the next charge.
if stored and byte(stored) == 2 then
  local at, size = 2, #stored
  while at <= size do
    if byte(stored, at) > EDGE then
      local id, length, start, current, previous = struct.unpack('<c4dddd', stored, at)
      counters = counters or {}
      counters[id] = { length, start, current, previous }
      at = at + 36
    else
      local id, span, arrival = struct.unpack('<c4c3I7', stored, at)
      if arrival > now then arrivals[id], spans[id] = arrival, span end
      at = at + 14
    end
  end
end

local dry = consumes and argv[3] == 'D'
local at, total, charged_at = 3, #argv, nil
local reply, size, allowed
-- What a charge sets: ids, spans and arrivals of buckets, in turns; names and uses of counters, in turns; a lease.
local charges, charged, counts, counted, lease = {}, 0, nil, 0, nil
-- Ids in the order asked.
local order, asked = {}, 0
if consumes then
  local blocked = arrivals[BLOCK] and arrivals[BLOCK] - now or 0
  reply, size, allowed = { 1, now, blocked }, 3, blocked == 0
  if dry then at = 4 end
elseif settles then
  charged_at, at = tonumber(argv[3]), 4
elseif operation == 'block' then
  local ms = math.min(tonumber(argv[3]), 3.2e12) -- a hundred years
  arrivals[BLOCK], spans[BLOCK], changed = ms > 0 and ceil(now + ms * 1000) or nil, '\0\0\0', true
  at = total + 1
else
  return redis.error_reply('ERR unknown operation')
end

while at <= total do
  local name = argv[at]
  if name == 'L' and settles then
    call('ZREM', KEYS[2], argv[at + 1])
    at = at + 2
  elseif name == 'L' then
    local held = call('ZCOUNT', KEYS[2], now + 1, '+inf')
    local free, ttl = argv[at + 1] - held, tonumber(argv[at + 3])
    size = size + 1
    reply[size] = free
    if free <= 0 then
      allowed = false
      -- Who died left what nobody counts: swept where places are scarce.
      if not dry then call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now) end
    elseif ttl > 0 then
      lease = { argv[at + 2], ttl, held }
    end
    at = at + 4
  elseif byte(name) > EDGE then
    local length, capacity, cost = tonumber(argv[at + 1]), tonumber(argv[at + 2]), tonumber(argv[at + 3])
    asked = asked + 1
    order[asked] = name
    local counter, now_ms = counters and counters[name], now / 1000
    -- What is used around now; for the calendar the period's end stands for the window before.
    local start, current, previous = nil, 0, 0
    if length == 0 then
      for instant in string.gmatch(argv[at + 4], '[^,]+') do
        local edge = tonumber(instant)
        if not start then start, previous = edge, nil elseif not previous or now_ms >= previous then start, previous = previous or start, edge end
      end
      -- Beyond the last boundary: periods as long as the last one.
      if now_ms >= previous then
        local period = previous - start
        start = previous + floor((now_ms - previous) / period) * period
        previous = start + period
      end
      if counter and counter[2] >= start then start, current = counter[2], counter[3] end
    else
      start = floor(now_ms / length) * length
      if counter then
        local before = counter[1]
        local from = before == length and start or floor(now_ms / before) * before
        local windows = floor((from - counter[2]) / before + 0.5)
        if windows <= 0 then current, previous = counter[3], counter[4] elseif windows == 1 then previous = counter[3] end
        if before ~= length then
          local overlap = 1 - math.min(1, math.max(0, (now_ms - from) / before))
          current, previous = ceil(current + previous * overlap), 0
        end
      end
    end
    if consumes then
      local used = current
      if length > 0 then used = current + previous * (1 - math.min(1, math.max(0, (now_ms - start) / length))) end
      if cost ~= 0 and not (cost >= 0 and cost <= capacity and used + cost <= capacity + 0.000001) then allowed = false end
      reply[size + 1], reply[size + 2], reply[size + 3] = format('%.17g', start), current, format('%.17g', previous)
      size = size + 3
      -- A clock that was set back: written anew for the present window, so that it fades from now on.
      if length > 0 and counter and counter[2] > start then counters[name], changed = { length, start, current, previous }, true end
      if cost > 0 then
        counts = counts or {}
        counts[counted + 1], counts[counted + 2] = name, { length, start, current + cost, previous }
        counted = counted + 2
      end
    else
      local is_previous = charged_at < start
      local used = is_previous and previous or current
      local settled = math.min(math.max(used, capacity), math.max(0, used - cost))
      counters = counters or {}
      if not is_previous then
        counters[name], changed = { length, start, settled, previous }, true
      elseif length > 0 and charged_at >= start - length then
        counters[name], changed = { length, start, current, settled }, true
      end
    end
    at = at + 5
  else
    local id, span, debt = string.sub(name, 1, 4), string.sub(name, 5), 0
    asked = asked + 1
    order[asked] = id
    -- To settle: what is given back stands where the room does.
    local before, room = spans[id], tonumber(argv[at + 2])
    if before then
      debt = arrivals[id] - now
      if before ~= span then
        local most = tonumber(argv[at + 1])
        -- A limit that changed keeps the share that is used. Its three bytes tell a span to a few ten-thousandths, never too long.
        local low, middle, high = byte(before, 1, 3)
        local full = (low + middle * 128 + (high % 4) * 16384) * 10 ^ (floor(high / 4) - 8)
        debt = debt >= full and most or debt / full * most
        arrivals[id], spans[id], changed = ceil(now + debt), span, true
      elseif settles or not (debt <= room) then
        -- A clock that was set back leaves arrivals beyond the span: clamped. What fits is below it.
        local most = tonumber(argv[at + 1])
        if debt > most then
          -- A charge may overdraw by its slack. Written back to the span each time, the slack would be a gift at every refusal.
          if settles or debt > room + tonumber(argv[at + 3]) + 1 then arrivals[id], changed = ceil(now + most), true end
          debt = most
        end
      end
    end
    if consumes then
      -- Not `debt > room`: of numbers that are none, that would be false.
      if not (debt <= room) then allowed = false end
      size = size + 1
      reply[size] = ceil(debt)
      local charge = tonumber(argv[at + 3])
      if charge > 0 then
        charges[charged + 1], charges[charged + 2], charges[charged + 3] = id, span, ceil(now + debt + charge)
        charged = charged + 3
      end
      at = at + 4
    else
      local give, most = room, tonumber(argv[at + 1])
      if (debt > 0 or give < 0) and give ~= 0 then
        arrivals[id], spans[id], changed = ceil(now + math.min(most, math.max(0, debt - give))), span, true
      end
      at = at + 3
    end
  end
end

if consumes then
  if not allowed then reply[1] = 0 end
  if dry then return reply end
  if allowed then
    for index = 1, charged, 3 do
      local id = charges[index]
      spans[id], arrivals[id], changed = charges[index + 1], charges[index + 2], true
    end
    for index = 1, counted, 2 do
      counters = counters or {}
      counters[counts[index]], changed = counts[index + 1], true
    end
    if lease then
      local ttl = lease[2]
      call('ZADD', KEYS[2], ceil(now + ttl * 1000), lease[1])
      -- The set outlives its last lease; twice as long, so that not every lease has to say so again.
      if lease[3] == 0 or call('PTTL', KEYS[2]) < ttl + grace_ms then
        call('PEXPIRE', KEYS[2], 2 * ceil(ttl) + grace_ms)
      end
      -- Who died left what nobody counts any more; it would live as long as the set does. One in 16 sweeps.
      if now % 16 == 0 then call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now) end
    end
  end
end

if changed then
  -- What was asked comes first, in its order: that is how the next call with the same limits finds it without a search.
  local ids, listed, seen = {}, 0, {}
  for index = 1, asked do
    if not seen[order[index]] then
      listed = listed + 1
      ids[listed], seen[order[index]] = order[index], true
    end
  end
  for id in pairs(arrivals) do
    if not seen[id] then listed = listed + 1 ids[listed] = id end
  end
  if counters then
    for id in pairs(counters) do
      if not seen[id] then listed = listed + 1 ids[listed] = id end
    end
  end
  local parts, filled, last = { VERSION }, 1, now
  for index = 1, listed do
    local id = ids[index]
    local arrival, counter = arrivals[id], counters and counters[id]
    if arrival and arrival > now then
      filled = filled + 1
      parts[filled] = id .. spans[id] .. struct.pack('<I7', arrival)
      if arrival > last then last = arrival end
    elseif counter then
      local length, start, current, previous = counter[1], counter[2], counter[3], counter[4]
      local ends = 0
      if length == 0 then ends = current > 0 and previous or 0
      elseif current > 0 then ends = start + 2 * length
      elseif previous > 0 then ends = start + length end
      if ends * 1000 > now then
        filled = filled + 1
        parts[filled] = id .. struct.pack('<dddd', length, start, current, previous)
        if ends * 1000 > last then last = ends * 1000 end
      end
    end
  end
  -- Never tostring(): it prints 1.8e+15.
  if filled == 1 then call('DEL', key)
  else call('SET', key, table.concat(parts), 'PX', math.min(ceil((last - now) / 1000), 8.64e15) + grace_ms) end
end
return reply or 1
