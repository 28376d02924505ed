# Runs the agent on one back end while all deeds are done, then while $2 files are opened under a
# flipping name and $3 whose descriptor is replaced; writes its status, its alerts, and of each race
# what was opened and what was seen.
backend=$1
opens_name=$2
opens_descriptor=$3
saker-agent --config "/etc/$backend.yaml" --stdout >/tmp/alerts 2>/tmp/log &
agent=$!
fail() {
    echo "$1"
    tail -n 40 /tmp/log
    exit 1
}
until wget -q -O /dev/null http://127.0.0.1:2803/ready 2>/dev/null; do
    kill -0 $agent 2>/dev/null || fail "the agent ended"
    sleep 0.1
done
echo "#status"
wget -q -O - http://127.0.0.1:2803/status || fail "no status"
echo
echo "#deeds"
# On one processor things have one order.
taskset -p 1 $$ >/dev/null
for deed in $(deeds); do
    rm -rf /root/work
    mkdir -p /root/work/folder/new /root/work/folder/newer
    cd /root/work || exit 1
    echo text >plain
    echo text >created
    echo text >made
    echo text >hard
    echo text >harder
    echo text >folder/inner
    chmod 644 plain created made hard harder folder/inner
    ln -s plain link
    case $deed in
    file_mkdir) rmdir folder/new folder/newer ;;
    file_link) rm hard harder ;;
    esac
    timeout 10 deeds "$deed" || echo "$deed: $?"
done
taskset -p 3 $$ >/dev/null
cd /root/work || exit 1
echo text >other
races name "$opens_name" >/tmp/name || fail "the race of names failed"
races descriptor "$opens_descriptor" >/tmp/descriptor || fail "the race of descriptors failed"
# The last deed's alert is there when all before it are.
deeds the_end
until grep -q 'procexit 0 deeds the_end' /tmp/alerts; do
    kill -0 $agent 2>/dev/null || fail "the agent ended early"
    sleep 1
done
kill $agent
wait $agent || fail "the agent failed"
for race in name descriptor; do
    echo "#race $race"
    cat /tmp/$race
    eval opens=\$opens_$race
    sed -n "s|.*\"output\":\"race $race $opens /root/work/\(.\).*|\1|p; s|.*\"output\":\"race $race .*|?|p" /tmp/alerts | tr -d '\n'
    echo
done
echo "#alerts"
grep -v '"rule":"Race"' /tmp/alerts
