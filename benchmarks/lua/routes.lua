-- Each request takes the next of the routes that scale.py wrote, and no two are the same. Argument: how many routes.
local number = (os.time() % 1000000) * 10000000
local routes, host

function init(args)
  routes = tonumber(args[1]) - 1
  host = wrk.headers["Host"]
end

function request()
  number = number + 1
  local route = number * 7919 % routes
  local path
  if route % 500 == 499 then
    path = "/regex-" .. route .. "/" .. number
  elseif route % 2 == 1 then
    path = "/exact-" .. route .. "/item?n=" .. number
  else
    path = "/prefix-" .. route .. "/area/" .. number
  end
  return "GET " .. path .. " HTTP/1.1\r\nHost: " .. host .. "\r\n\r\n"
end
