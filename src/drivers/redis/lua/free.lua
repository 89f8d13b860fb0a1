-- Ends a hold and hands the lock over. Made twice it does no harm.
--   KEYS[1]  the lock
--   ARGV     token; "<mode> <1: subscribers are counted>", and where one is not 0, " <ms to rest> <the largest fence it
--            was used under> <1: claims of these tokens may still come, and are to be refused>"; the tokens whom the hold
--            served after its own
--   answers  1 if it held the lock else 0, and 2 more if there is more to hand over: see leave.lua
local lock, token, how = KEYS[1], ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local version, last, hold, shared, queue = unpack(redis.call('HMGET', lock, 'v', 'f', 'h', 'c', 'q'))

if version == '2' and hold and not queue and #how == 3 then
  local ends, owner = string.match(hold, '^(%d+) %d+ %w+ %d+ %S+ (%S+)')
  if owner == token then
    redis.call('HDEL', lock, 'h')
    return tonumber(ends) > now and 1 or 0
  end
end

--include state
local mode, counted, keep, used, late = string.match(how, '^(%a) (%d) ?(%d*) ?(%d*) ?(%d?)$')
counted, keep, used = counted == '1', tonumber(keep) or 0, tonumber(used) or 0
--include queue

local held, record = 0, nil
if mode == 'w' and hold_token == token then
  held = 1
  leave_hold(keep)
else
  record = shared and mode == 'r' and redis.call('HGET', lock, 's:' .. token)
end
if record then
  local ends, rest = string.match(record, '^(%d+) (.*)$')
  ends = tonumber(ends)
  if ends > now then
    held = 1
    leave_shared(token, ends)
    if keep > 0 then
      put('s:-' .. token, now + keep .. ' ' .. rest)
      earliest, latest = inside == 0 and now + keep or math.min(earliest, now + keep), math.max(inside > 0 and latest or 0, now + keep)
      inside = inside + 1
    end
  end
end
give_up_places({unpack(ARGV, 3)})
-- Who holds the lock has no place.
if held == 0 then give_up_places({token}) end
if held == 1 and used > tonumber(last or 0) then last = used end
if late == '1' then refuse_later({token, unpack(ARGV, 3)}) end
local waits, more = hand_over()
tells = tells or waits and held == 1 and keep > 0
finish()
return more and held + 2 or held
