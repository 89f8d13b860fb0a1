-- The queue of a lock. Expects lib/state.lua, and counted: whether the server tells how many subscribe to a channel.
local PLACE = '^(%S+) (%a) (%d+) (%d+) (%d+) (%S+) (.*)$'
-- Lua is not to be interrupted: so many places one run looks at, drops and grants to.
local STEPS, DROPS, GRANTS = 10000, 1000, 128
local STAMP = '^(%d+) (%d+) (%d+)$'

local function place_at(n)
  local record = redis.call('HGET', lock, '#' .. n)
  if record then return string.match(record, PLACE) end
end

local function stamp_of(process)
  local count, stale, missing = string.match(redis.call('HGET', lock, '~' .. process) or '0 0 0', STAMP)
  return tonumber(count), tonumber(stale), tonumber(missing)
end

local function remove_place(n, token, process)
  redis.call('HDEL', lock, '#' .. n, '@' .. token)
  places = places - 1
  if n == first then first = first + 1 end
  local count, stale, missing = stamp_of(process)
  if count > 1 then
    redis.call('HSET', lock, '~' .. process, count - 1 .. ' ' .. stale .. ' ' .. missing)
  else
    redis.call('HDEL', lock, '~' .. process)
  end
end

-- Removes the place of the token; false where it has none.
local function give_up_place(token)
  local n = redis.call('HGET', lock, '@' .. token)
  if not n then return false end
  local _, _, _, _, _, process = place_at(n)
  remove_place(tonumber(n), token, process)
  return true
end

-- 'here'; 'missing': it may be reconnecting; 'gone': its places are dropped.
local seen = {}
local function state_of(process)
  if seen[process] then return seen[process] end
  local count, stale, missing = stamp_of(process)
  local state = 'here'
  if stale <= now then
    state = 'gone'
  elseif counted and redis.call('PUBSUB', 'NUMSUB', 'latchkey:' .. process)[2] == 0 then
    if missing == 0 then
      redis.call('HSET', lock, '~' .. process, count .. ' ' .. stale .. ' ' .. now)
    end
    state = missing > 0 and missing + MISSING_MS <= now and 'gone' or 'missing'
  end
  seen[process] = state
  return state
end

-- The tokens of the places from the first on that are writers of this process.
local function run_of(process)
  local tokens = {}
  for n = first, math.min(next_place, first + 4 * FENCES) - 1 do
    local token, mode, _, _, _, owner = place_at(n)
    if token then
      if owner ~= process or mode ~= 'w' or #tokens == FENCES then break end
      tokens[#tokens + 1] = token
    end
  end
  return table.concat(tokens, ',')
end

-- Hands the lock to the places at the head that fit. Answers as hand_over, and fills messages.
local channels, messages = {}, {}
local function admit(own)
  local granted, dropped, own_fence = 0, 0, nil
  local n, began, last_step = first, first, first + STEPS
  while n < next_place do
    if hold then return true, false, own_fence end
    if granted == GRANTS or dropped == DROPS or n == last_step then
      return true, granted + dropped > 0 or first > began, own_fence
    end
    local token, mode, limit, ttl, _, process, meta = place_at(n)
    local state = token and state_of(process)
    if not token then
      if n == first then first = first + 1 end
    elseif state == 'gone' then
      remove_place(n, token, process)
      dropped = dropped + 1
    elseif state == 'here' then
      limit = tonumber(limit)
      if inside > 0 and (mode == 'w' or limit > 0 and inside >= limit) then return true, false, own_fence end
      remove_place(n, token, process)
      local fence = enter(token, mode, limit, ttl, process, meta)
      granted = granted + 1
      if token == own then
        own_fence = fence
      else
        local run = mode == 'w' and run_of(process) or ''
        if not messages[process] then
          channels[#channels + 1], messages[process] = process, {}
        end
        table.insert(messages[process], 'granted ' .. number(fence) .. ' ' .. token .. ' ' .. run .. ' ' .. lock)
      end
    end
    n = n + 1
  end
  return hold and true or false, false, own_fence
end

-- Hands the lock to the places at the head that fit, and tells their processes; not the one whose token is "own".
-- Answers whether a place that lives still waits, whether there may be more to do, and the fence of "own" if it came in.
local function hand_over(own)
  local waits, more, fence = admit(own)
  -- Redis writes first to the client that it has last something for: so the first in the queue hears first.
  for i = #channels, 1, -1 do
    for _, message in ipairs(messages[channels[i]]) do redis.call('PUBLISH', 'latchkey:' .. channels[i], message) end
  end
  return waits, more, fence
end

-- Tells the process of the first place when the lock will be free.
local function tell_when_free()
  for n = first, math.min(next_place, first + STEPS) - 1 do
    local token, _, _, _, _, process = place_at(n)
    if token then
      redis.call('PUBLISH', 'latchkey:' .. process, 'look ' .. time_left() .. ' ' .. lock)
      return
    end
  end
end
