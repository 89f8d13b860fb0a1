-- Takes away the hold that has this fence, and tells its process. With grace it ends then, and is renewed no more.
--   KEYS[1]  the lock
--   ARGV     fence; grace in ms; 1 if subscribers are counted
--   answers  1; 0 where there is no such hold; 3 if there is more to hand over: see leave.lua
local lock, wanted, grace = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local version, last, hold, shared, queue = unpack(redis.call('HMGET', lock, 'v', 'f', 'h', 'c', 'q'))
--include state
local counted = ARGV[3] == '1'
--include queue

local HOLD = '^(%d+) (%d+) (%w+) (.*)$'
local field, record, token, process
if hold and hold_token ~= '-' then
  local _, fence, _, rest = string.match(hold, HOLD)
  if tonumber(fence) == wanted then
    field, record = 'h', hold
    process, token = string.match(rest, '^%d+ (%S+) (%S+)')
  end
elseif inside > 0 then
  each_shared(function(name, value)
    local _, fence, _, rest = string.match(value, HOLD)
    if tonumber(fence) == wanted and string.sub(name, 1, 1) ~= '-' then
      field, record, token = 's:' .. name, value, name
      process = string.match(rest, '^%d+ %d+ (%S+)')
    end
  end)
end
if not field then return 0 end

local ends, fence, _, rest = string.match(record, HOLD)
local stops = math.min(tonumber(ends), now + grace)
if grace > 0 then
  record = stops .. ' ' .. fence .. ' r ' .. rest
  if field == 'h' then
    hold, hold_until = record, stops
  else
    put(field, record)
    earliest, exact = math.min(earliest, stops), 0
  end
elseif field == 'h' then
  leave_hold(0)
else
  leave_shared(token, tonumber(ends))
end
-- Its process may ask before it reads the message, or never get it.
refuse_later({'-' .. token})
redis.call('PUBLISH', 'latchkey:' .. process, 'revoked ' .. stops - now .. ' ' .. token .. ' ' .. lock)
local waits, more = hand_over()
tells = tells or waits and grace > 0
finish()
return more and 3 or 1
