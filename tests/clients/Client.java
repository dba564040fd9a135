import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.Socket;
import java.net.URI;

/** Java's own SOCKS client. Arguments: proxy, echo, web server (ports). */
class Client {
    public static void main(String[] args) throws Exception {
        var address = new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0]));
        var proxy = new Proxy(Proxy.Type.SOCKS, address);
        for (String host : new String[] {"127.0.0.1", "localhost"}) {
            try (var socket = new Socket(proxy)) {
                socket.setSoTimeout(60_000);
                var target = InetSocketAddress.createUnresolved(host, Integer.parseInt(args[1]));
                socket.connect(target, 60_000);
                socket.getOutputStream().write("hello".getBytes());
                socket.shutdownOutput();
                String back = new String(socket.getInputStream().readAllBytes());
                if (!back.equals("hello")) throw new IllegalStateException(back);
            }
        }
        System.out.println("socket ok");
        var page = URI.create("http://localhost:" + args[2] + "/").toURL().openConnection(proxy);
        page.setReadTimeout(60_000);
        try (InputStream in = page.getInputStream()) {
            String text = new String(in.readAllBytes());
            if (!text.equals("a page")) throw new IllegalStateException(text);
        }
        System.out.println("page ok");
    }
}
