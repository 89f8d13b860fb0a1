-- Tells what the user may not do; changes nothing.
--   ARGV     the channel of this process; 1 if subscribers are to be counted
--   answers  how many subscribe to the channel, or -1; then of each command that failed its name and its error
local key = 'lock:{latchkey:probe}'
local answers = {-1}

local function try(...)
  local reply = redis.pcall(...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  answers[#answers + 1] = ({...})[1]
  answers[#answers + 1] = reply.err
end

try('TIME')
try('EXISTS', key)
try('HGET', key, '?')
try('HMGET', key, '?')
try('HSCAN', key, '0')
try('HDEL', key, '?')
-- These two end in an error of their own, before they change anything.
try('HSET', key, '?', '?', '?')
try('PEXPIRE', key, '?')
try('PUBLISH', ARGV[1], '')
if ARGV[2] == '1' then
  local counts = try('PUBSUB', 'NUMSUB', ARGV[1])
  if counts then answers[1] = counts[2] end
end
return answers
