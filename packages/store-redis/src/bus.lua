-- Messages between processes. The channel is named like a key, so that Redis Cluster runs every publish of a store on one node:
-- it passes them on in their order. What the client puts before keys stands before the name as well.
-- KEYS[1]  the channel; nothing is stored under it
-- ARGV     publish message ...     -> 1
--          name                    -> the channel, as the server knows it
local operation = ARGV[2]

if operation == 'publish' then
  for at = 3, #ARGV do redis.call('PUBLISH', KEYS[1], ARGV[at]) end
  return 1
elseif operation == 'name' then
  return KEYS[1]
end
return redis.error_reply('ERR unknown operation')
