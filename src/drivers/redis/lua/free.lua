-- Ends a hold and hands the lock over. Made twice it does no harm.
--   KEYS[1]  the lock
--   ARGV     token; "<mode> <1: subscribers are counted>", and where one is not 0, " <ms to rest> <the largest fence it
--            was used under> <1: a claim of it may still come, and is to be refused>"; the tokens whom the hold served
--            after its own
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

local held = 0
for i = 3, #ARGV do give_up_place(ARGV[i]) end
give_up_place(token)
if mode == 'w' and hold_token == token then
  redis.call('HDEL', lock, 'h')
  hold, hold_until, hold_token, held = false, 0, nil, 1
  if keep > 0 then
    hold_until, hold_token = now + keep, '-'
    hold = hold_until .. ' 0 0 ' .. now .. ' - - {}'
    redis.call('HSET', lock, 'h', hold)
  end
elseif mode == 'r' then
  local record = redis.call('HGET', lock, 's:' .. token)
  local ends, rest = string.match(record or '0 0', '^(%d+) (.*)$')
  ends = tonumber(ends)
  if ends > now then
    held = 1
    leave_shared(token, ends)
    if keep > 0 then
      redis.call('HSET', lock, 's:-' .. token, now + keep .. ' ' .. rest)
      earliest, latest = inside == 0 and now + keep or math.min(earliest, now + keep), math.max(inside > 0 and latest or 0, now + keep)
      inside = inside + 1
    end
  end
end
if held == 1 and used > tonumber(last or 0) then
  last = used
  redis.call('HSET', lock, 'f', number(used))
end
if late == '1' then refuse_later(token) end
local waits, more = hand_over()
if waits and held == 1 and keep > 0 then tell_when_free() end
save()
return more and held + 2 or held
