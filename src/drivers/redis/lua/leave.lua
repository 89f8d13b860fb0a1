-- Gives up places, and the holds that they may have become, and hands the lock over. Made twice it does no harm.
--   KEYS[1]  the lock
--   ARGV     1 if claims of these tokens may still come, and are to be refused; 1 if subscribers are counted; the tokens
--   answers  1 if there is more to hand over, else 0
local lock = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local version, last, hold, shared, queue = unpack(redis.call('HMGET', lock, 'v', 'f', 'h', 'c', 'q'))
--include state
local counted = ARGV[2] == '1'
--include queue

local tokens, waited = {unpack(ARGV, 3)}, places
give_up_places(tokens)
local left = places < waited
for _, token in ipairs(tokens) do
  if hold_token == token then leave_hold(0) end
  local record = shared and redis.call('HGET', lock, 's:' .. token)
  if record then leave_shared(token, tonumber(string.match(record, '^%d+'))) end
end
if ARGV[1] == '1' then refuse_later(tokens) end
-- One of them may have been told when that is.
local soon = left and ends_soon()
local waits, more = hand_over()
tells = tells or waits and soon
finish()
return more and 1 or 0
